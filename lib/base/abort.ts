// What every wait has in common: somebody may end it by an AbortSignal.
import { type Deferred, deferred } from './deferred.js';
import { abortError } from './errors.js';
import { abortSignal, options } from './validate.js';

/** Options of a wait. */
export interface Abortable {
  /** Ends the wait when it aborts. Default: none. */
  signal?: AbortSignal | undefined;
}

/** The signal of a wait's options; throws its `AbortError` if it has aborted already. */
export function signalIn({ signal }: Abortable): AbortSignal | undefined {
  if (signal === undefined) return undefined;
  abortSignal(signal);
  if (signal.aborted) throw abortError(signal);
  return signal;
}

/** The same of options that have nothing else. */
export function waitSignal(value: unknown): AbortSignal | undefined {
  return signalIn(options<Abortable>(value, ['signal']));
}

/** Has a wait begin that takes a signal and nothing else; what is thrown rejects it. */
export function waiting<T>(
  options: unknown,
  begin: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  return promised(() => begin(waitSignal(options)));
}

/** What is thrown rejects the promise. Not an async function, whose promise would be another one than is returned. */
export function promised<T>(begin: () => Promise<T>): Promise<T> {
  try {
    return begin();
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Those who wait for one thing, each with a signal of its own that ends its wait. */
export class Waits<T> {
  /** Each with what takes its listener off. */
  readonly #all = new Map<Deferred<T>, () => void>();
  readonly #changed: () => void;

  /** @param changed - is called when somebody has begun or ceased to wait. */
  constructor(changed: () => void = () => {}) {
    this.#changed = changed;
  }

  get size(): number {
    return this.#all.size;
  }

  /**
   * One more.
   *
   * @param aborted - is asked when the signal aborts; true lets this one wait on for what it is told then.
   */
  add(signal: AbortSignal | undefined, aborted?: (error: Error) => boolean): Promise<T> {
    const wait = deferred<T>();
    const abort = () => {
      const error = abortError(signal as AbortSignal);
      if (aborted?.(error) === true || !this.#remove(wait)) return;
      wait.reject(error);
      this.#changed();
    };
    this.#all.set(wait, () => signal?.removeEventListener('abort', abort));
    signal?.addEventListener('abort', abort);
    this.#changed();
    return wait.promise;
  }

  resolve(value: T): void {
    for (const wait of this.#take()) wait.resolve(value);
  }

  /** @param handled - nobody has to listen: no rejection is an unhandled one. */
  reject(error: Error, handled = false): void {
    for (const wait of this.#take()) {
      if (handled) wait.promise.catch(() => {});
      wait.reject(error);
    }
  }

  /** Lets none of them settle ever: in a copy of the process, say. */
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
