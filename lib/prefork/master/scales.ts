// The number of workers that is wanted, and the calls that wait for it.
import { Waits } from '../../base/abort.js';
import { asError, codedError, outOfRange } from '../../base/errors.js';
import { MOST } from '../plan/scaling.js';

interface Actions {
  /** Has a new seat have a socket; of its own, if that can be had. */
  provide: (seat: number) => void;
  failed: (error: Error) => void;
  /** So many workers are wanted from now on. */
  apply: (seats: number) => void;
  /** How many there must be: each socket of the caller's has a queue that somebody must serve. */
  least: () => number;
  /** False once the master stops. */
  runs: () => boolean;
}

/** The number of workers that is wanted, and those who wait for it. */
export class Scales {
  readonly #actions: Actions;
  readonly #waits = new Waits<void>();
  #wanted = 0;

  constructor(actions: Actions) {
    this.#actions = actions;
  }

  ask(count: number, signal: AbortSignal | undefined): Promise<void> {
    const least = this.#actions.least();
    if (count < least) throw outOfRange('count', `>= ${least}, one for each socket`, count);
    this.#supersede(count);
    const done = this.#waits.add(signal);
    this.change(count);
    return done;
  }

  /** Has so many workers be wanted, as far as there may be so many. */
  change(count: number): void {
    if (!this.#actions.runs()) return;
    const seats = Math.min(Math.max(count, this.#actions.least()), MOST);
    this.#supersede(seats);
    try {
      this.#actions.provide(seats);
    } catch (error) {
      this.#actions.failed(asError(error));
    }
    this.#actions.apply(seats);
  }

  /** Another number is wanted: nobody need wait for the one before. */
  #supersede(wanted: number): void {
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    const message = `the number of workers was changed to ${wanted} meanwhile`;
    this.#waits.reject(codedError(message, 'ERR_SCALE_FAILED'));
  }

  /** There are as many, or there will not be. */
  end(error: Error | undefined, running: boolean): void {
    if (error === undefined) this.#waits.resolve();
    else this.#waits.reject(error, !running);
  }

  /** In a copy of the master. */
  forget(): void {
    this.#waits.forget();
  }
}
