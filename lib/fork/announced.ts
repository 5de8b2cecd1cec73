// Objects that a forked process must find: announced on a diagnostics channel, or made before
// daemonkit was loaded.
import { subscribe } from 'node:diagnostics_channel';
import { target, Weak } from '../atfork/originals.js';

/** Objects of one kind that may still be in use. */
export class Announced<T extends object> {
  #refs: WeakRef<T>[] = [];
  #prune = 64;

  /** Collects objects from now on. `early` are objects that exist already. */
  collect(channel: string, key: string, early: readonly T[]): void {
    for (const object of early) this.#add(object);
    subscribe(channel, (message) => this.#add((message as Record<string, T>)[key] as T));
  }

  // Plain loops here and below: fork() calls this in the child, where the program may have changed
  // Array.prototype.
  #add(object: T): void {
    this.#refs[this.#refs.length] = new Weak(object);
    if (this.#refs.length < this.#prune) return;
    const kept: WeakRef<T>[] = [];
    for (let i = 0; i < this.#refs.length; i++) {
      const ref = this.#refs[i] as WeakRef<T>;
      if (target(ref) !== undefined) kept[kept.length] = ref;
    }
    this.#refs = kept;
    this.#prune = 2 * kept.length + 64;
  }

  each(use: (object: T) => void): void {
    for (let i = 0; i < this.#refs.length; i++) {
      const object = target(this.#refs[i] as WeakRef<T>);
      if (object !== undefined) use(object);
    }
  }
}
