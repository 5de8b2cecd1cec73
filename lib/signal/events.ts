// A loop over the events of a signal flag. Not an async generator: its return() waits until a
// pending next() has settled, and so for a signal that may never come.
import { type Abortable, onAbort, signalIn } from '../base/abort.js';
import { type Deferred, deferred } from '../base/deferred.js';
import { abortError } from '../base/errors.js';
import type { SignalEvent } from './published.js';

type Result = IteratorResult<SignalEvent, undefined>;

const DONE: Result = { done: true, value: undefined };

/** The functions of the flag for a loop. */
export interface EventSource {
  /** @throws if no more events can come. */
  begin(loop: SignalEvents): void;
  take(): SignalEvent | undefined;
  /** Makes the event loop report events from now on. */
  listen(): void;
  /** A loop has started or stopped waiting. */
  changed(): void;
  end(loop: SignalEvents): void;
}

/** Several next() may be pending; they are answered in order. */
export class SignalEvents implements AsyncIterableIterator<SignalEvent>, AsyncDisposable {
  readonly #source: EventSource;
  readonly #options: Abortable;
  #state: 'new' | 'going' | 'over' = 'new';
  #waiting: Deferred<Result>[] = [];
  #unwatch: () => void = () => {};
  /** The error for the next call of next(). */
  #error: Error | undefined;

  constructor(source: EventSource, options: Abortable) {
    this.#source = source;
    this.#options = options;
  }

  get waits(): boolean {
    return this.#waiting.length > 0;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<Result> {
    if (this.#state === 'new') this.#begin();
    if (this.#error !== undefined) {
      const error = this.#error;
      this.#error = undefined;
      throw error;
    }
    if (this.#state === 'over') return DONE;
    return this.#takeOrWait();
  }

  async return(): Promise<Result> {
    this.end();
    return DONE;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
  }

  /** There may be events. */
  pump(): void {
    while (this.waits) {
      const event = this.#source.take();
      if (event === undefined) break;
      this.#waiting.shift()?.resolve({ done: false, value: event });
    }
    this.#source.changed();
  }

  /** Ends the loop, with an error for pending calls of next(), or the next call. */
  end(error?: Error): void {
    if (this.#state === 'over') return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#unwatch();
    this.#state = 'over';
    this.#source.end(this);
    if (error !== undefined) {
      const first = waiting.shift();
      if (first === undefined) this.#error = error;
      else first.reject(error);
    }
    for (const waiter of waiting) waiter.resolve(DONE);
  }

  #takeOrWait(): Result | Promise<Result> {
    try {
      const event = this.waits ? undefined : this.#source.take();
      if (event !== undefined) return { done: false, value: event };
      this.#source.listen();
    } catch (error) {
      this.end();
      throw error;
    }
    const waiter = deferred<Result>();
    this.#waiting.push(waiter);
    this.#source.changed();
    return waiter.promise;
  }

  #begin(): void {
    this.#state = 'over';
    const signal = signalIn(this.#options);
    this.#source.begin(this);
    this.#state = 'going';
    this.#unwatch = onAbort(signal, this.#abort);
  }

  readonly #abort = (): void => this.end(abortError(this.#options.signal as AbortSignal));
}
