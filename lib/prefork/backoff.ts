// How fast failing workers are replaced.

interface Rates {
  minUptime: number;
  delay: number;
  maxDelay: number;
  attempts: number;
}

/** Counts failures in a row, and makes the pauses after them. */
export class Backoff {
  readonly #rates: Rates | undefined;
  readonly #timers = new Set<NodeJS.Timeout>();
  #failures = 0;
  #proven: () => void = () => {};
  #wake: () => void = () => {};

  constructor(rates: Rates | undefined) {
    this.#rates = rates;
  }

  get failures(): number {
    return this.#failures;
  }

  get failing(): boolean {
    return this.#failures > 0;
  }

  /** Counts a failure; false if it was one too many. */
  fail(): boolean {
    this.#failures++;
    return this.#failures < (this.#rates?.attempts ?? Number.POSITIVE_INFINITY);
  }

  /** Resolves when the next fork may be made. */
  pause(): Promise<void> | undefined {
    if (this.#rates === undefined || !this.failing) return undefined;
    const { delay, maxDelay } = this.#rates;
    const wait = Math.min(delay * 2 ** (this.#failures - 1), maxDelay);
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#after(wait, resolve);
    });
  }

  /** Ends a pause, or the wait for a proof, early. */
  wake(): void {
    this.#wake();
    this.#proven();
  }

  /** A worker is ready: if it still lives after a while, the failures are over. */
  watch(lives: () => boolean): void {
    this.#after(this.#rates?.minUptime ?? 0, () => {
      if (!lives()) return;
      this.#failures = 0;
      this.#proven();
    });
  }

  /** Resolves when some worker has proven that it lives. */
  proof(): Promise<void> {
    return new Promise((resolve) => {
      this.#proven = resolve;
    });
  }

  /** Takes the timers off the event loop, whatever waits for them. */
  clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #after(milliseconds: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, milliseconds);
    this.#timers.add(timer);
  }
}
