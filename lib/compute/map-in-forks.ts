// Runs a function for each of many items, each in a fork of the process.
import { AsyncResource } from 'node:async_hooks';
import { availableParallelism } from 'node:os';
import { types } from 'node:util';
import { onAbort } from '../base/abort.js';
import { type Deferred, deferred } from '../base/deferred.js';
import { abortError, invalidArgType } from '../base/errors.js';
import { turn } from '../base/timers.js';
import { func, isThenable } from '../base/validate.js';
import { heard, type Told, tell } from './failure.js';
import { type MapInForksOptions, mapPlan, type Plan } from './options.js';
import { Places } from './places.js';
import { runForked } from './run.js';
import { expectForks } from './run-in-fork.js';

export type { MapInForksOptions } from './options.js';

type Input<T> = Iterable<T> | AsyncIterable<T>;
type Work<T> = (item: T, index: number) => unknown;

/** The results of a child's items, and the error that stopped it before the last item. */
interface Results {
  values: unknown[];
  failed?: Told;
}

/** The results in the parent: `failed` if some of the items have none. */
interface Known {
  values: unknown[];
  failed: boolean;
}

/**
 * In the child: handles one item after the other. It uses the event loop only if an item needs it.
 */
function resultsOf<T>(fn: Work<T>, items: readonly T[], first: number): unknown {
  const values: unknown[] = [];
  const failed = (error: unknown): Results => ({ values, failed: tell(error) });
  const go = (): unknown => {
    try {
      while (values.length < items.length) {
        const at = values.length;
        const value = fn(items[at] as T, first + at);
        if (isThenable(value)) return Promise.resolve(value).then(took, failed);
        values.push(value);
      }
    } catch (error) {
      return failed(error);
    }
    return { values };
  };
  const took = (value: unknown): unknown => {
    values.push(value);
    return go();
  };
  return go();
}

function iteratorOf<T>(input: Input<T>): AsyncIterator<T> | Iterator<T> {
  const { [Symbol.asyncIterator]: async, [Symbol.iterator]: sync } = (input ??
    {}) as AsyncIterable<T> & Iterable<T>;
  if (typeof async === 'function') return async.call(input);
  if (typeof sync === 'function') return sync.call(input);
  throw invalidArgType('iterable', 'an iterable or async iterable', input);
}

/** Reads the items from the iterable, one after the other. */
class Items<T> {
  readonly #input: Input<T>;
  readonly #most: number;
  #iterator: AsyncIterator<T> | Iterator<T> | undefined;
  /** The iterable has ended or failed, so it must not be closed. */
  #over = false;
  count = 0;

  constructor(input: Input<T>, most: number) {
    this.#input = input;
    this.#most = most;
  }

  get over(): boolean {
    return this.#over;
  }

  async take(): Promise<T[]> {
    this.#iterator ??= iteratorOf(this.#input);
    const items: T[] = [];
    while (items.length < this.#most && !this.#over) {
      const { done, value } = await this.#next(this.#iterator);
      if (done) this.#over = true;
      else items.push(await value);
    }
    this.count += items.length;
    return items;
  }

  async close(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    await this.#iterator?.return?.();
  }

  async #next(iterator: AsyncIterator<T> | Iterator<T>): Promise<IteratorResult<T>> {
    try {
      const result: unknown = await iterator.next();
      if (Object(result) === result) return result as IteratorResult<T>;
      throw new TypeError(`Iterator result ${String(result)} is not an object`);
    } catch (error) {
      this.#over = true;
      throw error;
    }
  }
}

class ForkMap<T> implements AsyncIterableIterator<unknown> {
  readonly #items: Items<T>;
  readonly #fn: Work<T>;
  readonly #plan: ReturnType<typeof mapPlan>;
  readonly #places: Places;
  readonly #strict: boolean;
  /** Aborting it ends the children. */
  readonly #ending = new AbortController();
  readonly #ended = new Promise<void>((resolve) => {
    onAbort(this.#ending.signal, resolve);
  });
  readonly #unwatch: () => void;
  /** Pending results, in the order of the items. */
  readonly #running: Promise<Known>[] = [];
  /** Results whose child may still exist. */
  readonly #alive = new Set<Promise<Known>>();
  readonly #results: unknown[] = [];
  #filling: Promise<void> | undefined;
  /** The next child. */
  #made: Deferred<void> = deferred();
  #error: { thrown: unknown } | undefined;
  #over = false;
  /** Runs the calls one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(input: Input<T>, fn: Work<T>, plan: ReturnType<typeof mapPlan>) {
    this.#items = new Items(input, plan.chunk);
    this.#strict = types.isAsyncFunction(fn);
    this.#fn = AsyncResource.bind(fn);
    this.#plan = plan;
    this.#places = new Places(plan.concurrency);
    this.#unwatch = onAbort(plan.signal, this.#abort);
    if (plan.signal?.aborted) this.#abort();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<unknown>> {
    const step = this.#last.then(() => this.#step());
    this.#last = step.catch(() => {});
    return step;
  }

  async return(value?: unknown): Promise<IteratorResult<unknown>> {
    await this.#end();
    return { done: true, value };
  }

  async throw(error: unknown): Promise<IteratorResult<unknown>> {
    await this.#end();
    throw error;
  }

  readonly #abort = (): void => {
    this.#fail(abortError(this.#plan.signal as AbortSignal));
    this.#running.length = 0;
    this.#results.length = 0;
  };

  async #step(): Promise<IteratorResult<unknown>> {
    while (this.#results.length === 0) {
      if (this.#over) return { done: true, value: undefined };
      if (this.#error !== undefined && this.#running.length === 0) return this.#throw();
      this.#fill();
      await this.#more();
    }
    return { done: false, value: this.#results.shift() };
  }

  /** Waits for the next results in order. If there are no children, waits for the first one. */
  async #more(): Promise<void> {
    const [first] = this.#running;
    if (first === undefined) {
      if (this.#filling === undefined) await this.#end();
      else await Promise.race([this.#filling, this.#made.promise, this.#ended]);
      return;
    }
    const { values, failed } = await first;
    // Nothing is left after the end or an abort.
    if (this.#running.shift() === undefined) return;
    this.#results.push(...values);
    if (failed) this.#running.length = 0;
    this.#fill();
  }

  /** Makes children up to the limit. Children whose results have not been read yet count too. */
  #fill(): void {
    if (this.#filling !== undefined || this.#stopped) return;
    this.#filling = this.#start()
      .catch((error) => this.#fail(error))
      .finally(() => {
        this.#filling = undefined;
      });
  }

  get #stopped(): boolean {
    const full = this.#running.length >= this.#plan.concurrency;
    return full || this.#items.over || this.#over || this.#error !== undefined;
  }

  async #start(): Promise<void> {
    while (!this.#stopped) {
      const first = this.#items.count;
      const items = await this.#items.take();
      if (items.length === 0 || this.#over || this.#error !== undefined) continue;
      const run = this.#run(items, first);
      this.#running.push(run);
      this.#made.resolve();
      this.#made = deferred();
      this.#alive.add(run);
      run.finally(() => this.#alive.delete(run));
    }
  }

  async #run(items: readonly T[], first: number): Promise<Known> {
    const plan: Plan = { ...this.#plan, signal: this.#ending.signal };
    const job = () => resultsOf(this.#fn, items, first);
    try {
      const results = await runForked(this.#places, plan, job, this.#strict);
      const { values, failed } = results as Results;
      // At once, and not only when these results are read.
      if (failed !== undefined) this.#fail(heard(failed));
      return { values, failed: failed !== undefined };
    } catch (error) {
      this.#fail(error);
      return { values: [], failed: true };
    }
  }

  /** The first error stops everything. */
  #fail(thrown: unknown): void {
    if (this.#error !== undefined || this.#over) return;
    this.#error = { thrown };
    this.#ending.abort();
  }

  async #throw(): Promise<never> {
    const { thrown } = this.#error as { thrown: unknown };
    await this.#end().catch(() => {});
    throw thrown;
  }

  async #end(): Promise<void> {
    this.#over = true;
    this.#results.length = 0;
    this.#ending.abort();
    this.#unwatch();
    this.#running.length = 0;
    await Promise.all(this.#alive);
    const closed = this.#items.close();
    closed.catch(() => {});
    // An iterable that is producing an item may take long, or may never finish. A turn of the event
    // loop is enough for one that has its next item.
    await (this.#filling === undefined ? closed : Promise.race([closed, turn()]));
  }
}

/**
 * Calls a function for each item in child processes like those of {@link runInFork}, and returns
 * the results in the order of the items. Each child is a copy of this process at the time of the
 * fork.
 *
 * At most `concurrency` chunks of items are read ahead of the results that the program has taken.
 * The first error, or the end of the iteration, kills the remaining children and closes the
 * iterable.
 *
 * @param iterable - the items. They need not be copyable.
 * @param fn - called with an item and its index.
 * @param options - see {@link MapInForksOptions}.
 * @returns the results. Nothing starts before the program asks for the first result.
 * @throws `TypeError`/`RangeError` for wrong arguments, `ERR_WORKER_UNSUPPORTED_OPERATION` in a
 *   Worker. The iteration throws what the iterable throws, and what {@link runInFork} rejects with
 *   for a child. If one result cannot be copied, its whole chunk fails.
 *
 * Platform: as {@link fork}. Source: daemonkit's own; docs/compute.md.
 */
export function mapInForks<T, R>(
  iterable: Iterable<T> | AsyncIterable<T>,
  fn: (item: Awaited<T>, index: number) => R,
  options?: MapInForksOptions,
): AsyncIterableIterator<Awaited<R>> {
  const { [Symbol.asyncIterator]: async, [Symbol.iterator]: sync } = Object(iterable ?? {});
  if (typeof async !== 'function' && typeof sync !== 'function') {
    throw invalidArgType('iterable', 'an iterable or async iterable', iterable);
  }
  func(fn, 'fn');
  const plan = mapPlan(options, availableParallelism());
  expectForks('mapInForks()');
  return new ForkMap(iterable, fn as Work<T>, plan) as AsyncIterableIterator<Awaited<R>>;
}
