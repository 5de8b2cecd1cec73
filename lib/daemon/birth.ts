// What a daemon has while it is being born: what the launcher has opened and looked up for it.

import type { Survey } from '../descriptors/list.js';
import type { Pidfile } from '../pidfile/pidfile.js';
import type { Credentials } from '../posix/credentials.js';
import type { Plan } from './options.js';

/** The files that 0, 1 and 2 become, opened while their paths still lead to them. */
export interface StandardFiles {
  null: number;
  /** That of /dev/null if there is no log file. */
  stdout: number;
  stderr: number;
}

export interface Birth {
  readonly plan: Plan;
  /** It takes the place of another process, which was a daemon or supervised as this one is to be. */
  succeeds?: true;
  /** The way to the daemon, for those who look ahead; absent in what was started again. */
  strategy?: 'fork' | 'reexec';
  pidfile?: Pidfile;
  credentials: Credentials;
  /** The variables of a new user's login, if there is to be a new user. */
  login?: Record<string, string> | undefined;
  files?: StandardFiles;
  /** Those of 0, 1 and 2 that were closed. */
  placeholders?: number[];
  /** The terminal's device numbers. */
  terminal: Set<number>;
  survey?: Survey;
  /** A copy of `notifyFd`, until the daemon is ready. */
  readiness?: number;
  /** The daemon's ends of the lines to the launcher; absent without one. */
  lines?: Lines;
}

/** A birth of which nothing is known yet but what is wanted. */
export function birthOf(plan: Plan): Birth {
  return { plan, credentials: {}, terminal: new Set() };
}

/** Two sockets: pipes whose ends are both here would get private twins in the fork's child. */
export interface Lines {
  /** Takes the records that cpp/sys/launcher.h tells of. */
  readonly channel: number;
  /** The daemon's standard error until it is ready. */
  readonly relay: number;
}
