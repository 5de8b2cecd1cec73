// A timer for any time: setTimeout() takes none beyond 2^31-1 ms, and fires at once instead.
import { clearTimeout, setTimeout } from './timers.js';
import { INT_MAX } from './validate.js';

/** The clock of everything in here, in milliseconds. */
export const clock = performance.now.bind(performance);

/** So long after its time nothing comes in an event loop that turns. */
const STILL_MS = 1000;

/** Whether this process stood still when a time had come, or was stopped: what others have said waits to be heard. */
export const isMissed = (time: number, now: number) => now - time > STILL_MS;

/** Calls back once when a time has come; there is one time at most. */
export class Alarm {
  readonly #ring: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  /** A time of the clock, instead of the one before; Infinity is none. It keeps the process alive. */
  set(time: number): void {
    this.clear();
    if (time === Number.POSITIVE_INFINITY) return;
    const wait = time - clock();
    // Rounded up: a timer may fire before a time that is no whole millisecond away.
    const next = () => (clock() < time ? this.set(time) : this.#ring());
    this.#timer = setTimeout(next, Math.min(Math.max(Math.ceil(wait), 1), INT_MAX));
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
