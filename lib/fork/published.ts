// The diagnostics channel of forks. Without subscribers no message is made.
import { channel } from 'node:diagnostics_channel';

/**
 * The message of `daemonkit:fork`: a fork was made. It is published in both processes, before the
 * `parent` and `child` hooks of {@link atFork}, by fork() and by becomeDaemon(), which forks twice.
 */
export interface ForkMessage {
  /** The process that publishes it. */
  pid: number;
  /** The role of that process. */
  role: 'parent' | 'child';
  /** The parent's pid. */
  parent: number;
  /** The child's pid. */
  child: number;
}

const forks = channel('daemonkit:fork');

/** Publishes a fork, in the parent or in the child. */
export function publishFork(parent: number, pid: number, rehearsal?: boolean): void {
  if (!forks.hasSubscribers || rehearsal) return;
  const role = pid === 0 ? 'child' : 'parent';
  const child = pid === 0 ? process.pid : pid;
  forks.publish({ pid: process.pid, role, parent, child } satisfies ForkMessage);
}
