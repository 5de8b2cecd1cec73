// The state that all copies of the package in a process share. The command and the application may
// each have a copy, or an application may have two versions by its dependencies. There is still
// only one process, and a fork affects all copies.
import type { SignalName } from '../system/signal-numbers.js';

/** What {@link atFork} registers; each is called without arguments, and must not return a promise. */
export interface ForkHooks {
  /** In the parent, just before the fork; the hooks registered last run first. */
  before?: (() => void) | undefined;
  /** In the parent, after the fork, in the order of registration; also when the fork failed. */
  parent?: (() => void) | undefined;
  /** In the child, once its threads run again, in the order of registration. */
  child?: (() => void) | undefined;
}

/** A master of prefork workers in this process. */
export interface RegisteredMaster {
  /** The signals that it handles. */
  readonly signals: readonly SignalName[];
  /**
   * Called in a worker, of this master or another one: stops everything of the master in this
   * process.
   *
   * @param kept - a descriptor that stays open: the socket that the worker serves.
   */
  leave(kept: number | undefined): void;
}

/** Its shape never changes: another shape would need another symbol. */
interface Registry {
  /** In the order of registration. The {@link fork} of any copy runs them. */
  readonly hooks: Set<ForkHooks>;
  /** Children made by {@link fork} for which no wait is known to have succeeded. */
  readonly children: Set<number>;
  /** One entry for each pending wait for a child. */
  readonly waits: Set<{ readonly pid: number }>;
  readonly masters: Set<RegisteredMaster>;
  /** A master is forking. Its child leaves all masters once it has its own signal handlers. */
  makingWorker: boolean;
}

const KEY = Symbol.for('daemonkit.registry.1');

function shared(): Registry {
  const known = (globalThis as { [KEY]?: Registry })[KEY];
  if (known !== undefined) return known;
  const value: Registry = {
    hooks: new Set(),
    children: new Set(),
    waits: new Set(),
    masters: new Set(),
    makingWorker: false,
  };
  Object.defineProperty(globalThis, KEY, { value });
  return value;
}

export const registry = shared();
