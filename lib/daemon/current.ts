// The daemon that this process is, for modules that did not make it one.
import { invalidState } from '../errors.js';
import type { Daemon } from './daemon.js';

/** Shared by all copies of the package in a process: the command's own, and the application's. */
const KEY = Symbol.for('daemonkit.currentDaemon');

const shared = globalThis as { [KEY]?: Daemon | undefined };

/**
 * Tells the daemon that this process is: what `becomeDaemon()` has returned to another module, or
 * what the command `daemonkit start` has made of it. An application that is started by
 * `daemonkit start --ready manual` calls `ready()` of it. One that is also started without the command
 * begins with
 *
 * ```ts
 * const daemon = currentDaemon() ?? becomeDaemon(options);
 * ```
 *
 * @returns undefined in a process that is no daemon, in forks of one, and after its disposal.
 * @throws nothing.
 *
 * Source: daemonkit's own. The same on all platforms.
 */
export function currentDaemon(): Daemon | undefined {
  return shared[KEY];
}

/** A second call would make a launcher of the daemon, which exits. */
export function expectNoDaemon(): void {
  if (currentDaemon() === undefined) return;
  throw invalidState(
    'this process is a daemon already, which currentDaemon() gives: currentDaemon() ?? becomeDaemon()',
  );
}

/** Tells who {@link currentDaemon} is from now on. */
export function setCurrentDaemon(daemon: Daemon | undefined): void {
  shared[KEY] = daemon;
}
