// The requested number of workers, and the calls that wait for it.
import { Waits } from '../../base/abort.js';
import { asError, codedError, outOfRange } from '../../base/errors.js';
import { MOST } from '../plan/scaling.js';

interface Actions {
  /** Provides a new seat with a socket, its own one if possible. */
  provide: (seat: number) => void;
  failed: (error: Error) => void;
  /** Sets the number of seats. */
  apply: (seats: number) => void;
  /** The minimum: each of the caller's sockets has a queue that a worker must serve. */
  least: () => number;
  /** False once the master stops. */
  runs: () => boolean;
}

/** The requested number of workers, and the pending calls. */
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

  /** Requests this number of workers, within the limits. */
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

  /** Another number was requested: ends the waits for the former one. */
  #supersede(wanted: number): void {
    if (wanted === this.#wanted) return;
    this.#wanted = wanted;
    const message = `the number of workers has since been changed to ${wanted}`;
    this.#waits.reject(codedError(message, 'ERR_SCALE_FAILED'));
  }

  /** The number is reached, or will not be reached. */
  end(error: Error | undefined, running: boolean): void {
    if (error === undefined) this.#waits.resolve();
    else this.#waits.reject(error, !running);
  }

  /** Called in a fork of the master. */
  forget(): void {
    this.#waits.forget();
  }
}
