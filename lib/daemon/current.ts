// The daemon that this process is, for modules that did not make it one.
import { invalidState } from '../base/errors.js';

/** Shared by all copies of the package in a process: the command's own, and the application's. */
const KEY = Symbol.for('daemonkit.currentDaemon');

const shared = globalThis as { [KEY]?: object | undefined };

/** The {@link Daemon}, of any copy of the package. */
export function currentSlot(): object | undefined {
  return shared[KEY];
}

/** A second call would turn the daemon into a launcher, which exits. */
export function expectNoDaemon(): void {
  if (currentSlot() === undefined) return;
  throw invalidState('this process is a daemon already, so use currentDaemon() ?? becomeDaemon()');
}

/** Sets the result of currentDaemon(). */
export function setCurrentDaemon(daemon: object | undefined): void {
  shared[KEY] = daemon;
}
