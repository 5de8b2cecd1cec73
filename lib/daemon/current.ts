// The daemon that this process is, for modules that did not make it one.
import { invalidState } from '../base/errors.js';

/** Shared by all copies of the package in a process: the command's own, and the application's. */
const KEY = Symbol.for('daemonkit.currentDaemon');

const shared = globalThis as { [KEY]?: object | undefined };

/** A {@link Daemon}, of whichever copy. */
export function currentSlot(): object | undefined {
  return shared[KEY];
}

/** A second call would make a launcher of the daemon, which exits. */
export function expectNoDaemon(): void {
  if (currentSlot() === undefined) return;
  throw invalidState(
    'this process is a daemon already, which currentDaemon() gives: currentDaemon() ?? becomeDaemon()',
  );
}

/** What currentDaemon() gives from now on. */
export function setCurrentDaemon(daemon: object | undefined): void {
  shared[KEY] = daemon;
}
