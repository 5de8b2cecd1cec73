// What all copies of the package in a process have in common. The command and the application may each
// have a copy of their own, or an application two versions by its dependencies: still the process is one,
// and what a fork takes along is everybody's.
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
  /** The signals that are its to act on. */
  readonly signals: readonly SignalName[];
  /**
   * In a worker, of this master or another one: nothing of the master goes on here.
   *
   * @param kept - a descriptor that stays open: the socket that the worker serves.
   */
  leave(kept: number | undefined): void;
}

/** Its shape never changes: another one would need another symbol. */
interface Registry {
  /** In the order of registration, whichever copy's {@link fork} runs them. */
  readonly hooks: Set<ForkHooks>;
  /** Children by {@link fork}, of which it is not known that somebody has waited for them. */
  readonly children: Set<number>;
  /** One for each wait for a child that has not settled. */
  readonly waits: Set<{ readonly pid: number }>;
  readonly masters: Set<RegisteredMaster>;
  /** A master forks: its child leaves all of them when it has signal handlers of its own. */
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
