// The diagnostics channel of forks. Without subscribers no message is made.
import { channel } from 'node:diagnostics_channel';

/**
 * `daemonkit:fork`: a fork was made. Published in both processes, before the `parent` and `child`
 * hooks of {@link atFork}; by fork() itself and by becomeDaemon(), which forks twice.
 */
export interface ForkMessage {
  /** The process that publishes it. */
  pid: number;
  /** Which of the two that is. */
  role: 'parent' | 'child';
  /** The process that has forked. */
  parent: number;
  /** The process that was made. */
  child: number;
}

const forks = channel('daemonkit:fork');

/** Tells of a fork from either side. */
export function publishFork(parent: number, pid: number, rehearsal?: boolean): void {
  if (!forks.hasSubscribers || rehearsal) return;
  const role = pid === 0 ? 'child' : 'parent';
  const child = pid === 0 ? process.pid : pid;
  forks.publish({ pid: process.pid, role, parent, child } satisfies ForkMessage);
}
