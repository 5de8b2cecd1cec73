// The state of a daemon during its start: what the launcher has opened and looked up for it.

import type { Survey } from '../descriptors/list.js';
import type { Pidfile } from '../pidfile/pidfile.js';
import type { Credentials } from '../posix/credentials.js';
import type { Plan } from './options.js';

/** The files for 0, 1 and 2, opened while their paths are still reachable. */
export interface StandardFiles {
  null: number;
  /** The descriptor of /dev/null if there is no log file. */
  stdout: number;
  stderr: number;
}

export interface Birth {
  readonly plan: Plan;
  /** The process replaces another one, which already was a daemon or supervised. */
  succeeds?: true;
  /** How the daemon is made; absent in a program that was started again. */
  strategy?: 'fork' | 'reexec';
  pidfile?: Pidfile;
  credentials: Credentials;
  /** The login variables of the new user, if the user changes. */
  login?: Record<string, string> | undefined;
  files?: StandardFiles;
  /** The descriptors among 0, 1 and 2 that were closed. */
  placeholders?: number[];
  /** The terminal's device numbers. */
  terminal: Set<number>;
  survey?: Survey;
  /** A copy of `notifyFd`, until the daemon is ready. */
  readiness?: number;
  /** The daemon's ends of the lines to the launcher; absent without one. */
  lines?: Lines;
}

/** The state before the first step: only the plan is known. */
export function birthOf(plan: Plan): Birth {
  return { plan, credentials: {}, terminal: new Set() };
}

/**
 * Two sockets. Pipes would not work: if both ends are in one process, the child of a fork gets
 * private copies.
 */
export interface Lines {
  /** Carries the records that cpp/sys/launcher.h describes. */
  readonly channel: number;
  /** The daemon's standard error until it is ready. */
  readonly relay: number;
}
