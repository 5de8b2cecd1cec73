// Calls for a reload: one is under way, and all that come meanwhile are one more after it.
import { Waits } from '../base/abort.js';
import { invalidState } from '../base/errors.js';

/** A reload, as those see it who have asked for it. */
class Reload extends Waits<void> {
  /** How many new workers it may have at a time. */
  surge = Number.POSITIVE_INFINITY;
}

interface Actions {
  /** Has a reload begin; it may ask later whether that is still the one under way. */
  begin: (surge: number, isCurrent: () => boolean) => void;
  /** Nobody wants the one under way any more. False if it is too late to take it back. */
  abandon: (error: Error) => boolean;
}

export class Reloads {
  readonly #actions: Actions;
  #current: Reload | undefined;
  #following: Reload | undefined;

  constructor(actions: Actions) {
    this.#actions = actions;
  }

  /** @param surge - how many new workers at a time; of those who ask for the same one the smallest number holds. */
  ask(surge: number, signal: AbortSignal | undefined): Promise<void> {
    const begins = this.#current === undefined;
    const reload = begins ? new Reload() : (this.#following ?? new Reload());
    reload.surge = Math.min(reload.surge, surge);
    if (begins) this.#current = reload;
    else this.#following = reload;
    const ended = reload.add(signal, (error) => this.#aborted(reload, error));
    if (begins) this.#begin(reload);
    return ended;
  }

  /** The one under way has ended. */
  end(error: Error | undefined, running: boolean): void {
    const [ended, following] = [this.#current, this.#following];
    this.#current = undefined;
    this.#following = undefined;
    // Whoever stops the master need not hear that a reload did not come to its end.
    if (!running) following?.reject(invalidState('the master stops'), true);
    if (error === undefined) ended?.resolve();
    else ended?.reject(error, !running);
    if (!running || following === undefined) return;
    this.#current = following;
    this.#begin(following);
  }

  /** In a copy of the master. */
  forget(): void {
    this.#current?.forget();
    this.#following?.forget();
  }

  /** One of those who have asked does not wait any more; true if it is told when nothing of it is left. */
  #aborted(reload: Reload, error: Error): boolean {
    if (reload.size > 1) return false;
    if (reload === this.#following) this.#following = undefined;
    return reload === this.#current && this.#actions.abandon(error);
  }

  #begin(reload: Reload): void {
    this.#actions.begin(reload.surge, () => this.#current === reload);
  }
}
