// A timer for any time. setTimeout() fires at once for a delay beyond 2^31-1 ms.
import { clearTimeout, setTimeout } from './timers.js';
import { INT_MAX } from './validate.js';

/** The clock of all times in this file, in milliseconds. */
export const clock = performance.now.bind(performance);

/** A running event loop calls no timer as late as this. */
const STILL_MS = 1000;

/**
 * Whether this process was blocked or stopped when the time came: messages of other processes may
 * be waiting to be read.
 */
export const isMissed = (time: number, now: number) => now - time > STILL_MS;

/** Calls back once at a given time; it holds at most one time. */
export class Alarm {
  readonly #ring: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** Replaces the time; Infinity is none. A pending time keeps the process alive. */
  set(time: number): void {
    this.clear();
    if (time === Number.POSITIVE_INFINITY) return;
    const wait = time - clock();
    // Rounded up: a timer may fire up to a millisecond early.
    const next = () => (clock() < time ? this.set(time) : this.#ring());
    this.#timer = setTimeout(next, Math.min(Math.max(Math.ceil(wait), 1), INT_MAX));
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
