// Calls for a reload: one is under way, and all that come meanwhile are one more after it.
import { type Deferred, deferred } from '../base/deferred.js';
import { invalidState } from '../base/errors.js';

export class Reloads {
  readonly #begin: (isCurrent: () => boolean) => void;
  #current: Deferred<void> | undefined;
  #following: Deferred<void> | undefined;

  /** @param begin - has a reload begin; it may ask later whether that is still the one under way. */
  constructor(begin: (isCurrent: () => boolean) => void) {
    this.#begin = begin;
  }

  ask(): Promise<void> {
    if (this.#current === undefined) return this.#start(deferred<void>());
    this.#following ??= deferred<void>();
    return this.#following.promise;
  }

  /** The one under way has ended. */
  end(error: Error | undefined, running: boolean): void {
    const [ended, following] = [this.#current, this.#following];
    this.#current = undefined;
    this.#following = undefined;
    if (!running) {
      // Whoever stops the master need not hear that a reload did not come to its end.
      ended?.promise.catch(() => {});
      following?.promise.catch(() => {});
      following?.reject(invalidState('the master stops'));
    }
    if (error === undefined) ended?.resolve();
    else ended?.reject(error);
    if (running && following !== undefined) void this.#start(following);
  }

  #start(reload: Deferred<void>): Promise<void> {
    this.#current = reload;
    this.#begin(() => this.#current === reload);
    return reload.promise;
  }
}
