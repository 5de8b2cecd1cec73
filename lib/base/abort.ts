// The common part of every wait: an AbortSignal can end it.
import { type Deferred, deferred } from './deferred.js';
import { abortError } from './errors.js';
import { abortSignal, options } from './validate.js';

/** Options of a wait. */
export interface Abortable {
  /** Ends the wait when it aborts. Default: none. */
  signal?: AbortSignal | undefined;
}

/** What to call when a signal aborts, and the listener that calls it. */
interface Watch {
  acts: Set<() => void>;
  tell: () => void;
}

const watches = new WeakMap<AbortSignal, Watch>();

function watchOf(signal: AbortSignal): Watch {
  const known = watches.get(signal);
  if (known !== undefined) return known;
  const acts = new Set<() => void>();
  // One that ends others leaves those uncalled.
  const tell = () => {
    for (const act of [...acts]) if (acts.has(act)) act();
  };
  const watch = { acts, tell };
  watches.set(signal, watch);
  signal.addEventListener('abort', tell);
  return watch;
}

/**
 * Calls back when the signal aborts. All waits on one signal share a listener: Node 20 warns of a
 * leak at the eleventh, although the signal for a server's end may serve any number of waits.
 *
 * @returns a function that ends this.
 */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal === undefined) return () => {};
  const { acts, tell } = watchOf(signal);
  const own = () => act();
  acts.add(own);
  return () => {
    if (!acts.delete(own) || acts.size > 0) return;
    watches.delete(signal);
    signal.removeEventListener('abort', tell);
  };
}

/** The signal in a wait's options. Throws its `AbortError` if it has already aborted. */
export function signalIn({ signal }: Abortable): AbortSignal | undefined {
  if (signal === undefined) return undefined;
  abortSignal(signal);
  if (signal.aborted) throw abortError(signal);
  return signal;
}

/** The same for options that consist only of a signal. */
export function waitSignal(value: unknown): AbortSignal | undefined {
  return signalIn(options<Abortable>(value, ['signal']));
}

/** Begins a wait whose only option is a signal. An exception rejects the promise. */
export function waiting<T>(
  options: unknown,
  begin: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  return promised(() => begin(waitSignal(options)));
}

/**
 * An exception rejects the promise. Not an async function: that would return another promise than
 * `begin` made.
 */
export function promised<T>(begin: () => Promise<T>): Promise<T> {
  try {
    return begin();
  } catch (error) {
    return Promise.reject(error);
  }
}

/** The pending waits for one event. Each has its own signal, which ends only that wait. */
export class Waits<T> {
  /** Each wait, with the function that removes its listener. */
  readonly #all = new Map<Deferred<T>, () => void>();
  readonly #changed: () => void;

  /** @param changed - called when a wait has been added or removed. */
  constructor(changed: () => void = () => {}) {
    this.#changed = changed;
  }

  get size(): number {
    return this.#all.size;
  }

  /**
   * Adds a wait.
   *
   * @param aborted - called when the signal aborts; if it returns true, the wait stays pending.
   */
  add(signal: AbortSignal | undefined, aborted?: (error: Error) => boolean): Promise<T> {
    const wait = deferred<T>();
    const abort = () => {
      const error = abortError(signal as AbortSignal);
      if (aborted?.(error) === true || !this.#remove(wait)) return;
      wait.reject(error);
      this.#changed();
    };
    this.#all.set(wait, onAbort(signal, abort));
    this.#changed();
    return wait.promise;
  }

  resolve(value: T): void {
    for (const wait of this.#take()) wait.resolve(value);
  }

  /** @param handled - marks the rejections as handled. */
  reject(error: Error, handled = false): void {
    for (const wait of this.#take()) {
      if (handled) wait.promise.catch(() => {});
      wait.reject(error);
    }
  }

  /** Forgets all waits without settling them, for example in a forked process. */
  forget(): void {
    this.#take();
  }

  #take(): Deferred<T>[] {
    const all = [...this.#all.keys()];
    for (const wait of all) this.#remove(wait);
    if (all.length > 0) this.#changed();
    return all;
  }

  #remove(wait: Deferred<T>): boolean {
    this.#all.get(wait)?.();
    return this.#all.delete(wait);
  }
}
