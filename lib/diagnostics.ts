// What daemonkit tells to observers: diagnostics_channel(3) of Node, for tracing and metrics.
import { channel } from 'node:diagnostics_channel';
import type { SignalEvent } from './signal/records.js';

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

/** `daemonkit:ready`: this process is a daemon, and its launcher was told that it is ready. */
export interface ReadyMessage {
  /** The daemon. */
  pid: number;
  /** As the option of becomeDaemon(), absolute. */
  pidFile: string | undefined;
}

/** `daemonkit:signal`: the event loop has read a record of a {@link SignalFlag}. */
export type SignalMessage = SignalEvent;

const forks = channel('daemonkit:fork');
const readiness = channel('daemonkit:ready');
const signals = channel('daemonkit:signal');

// Nobody pays for what nobody wants: without subscribers no message is made.

/** Tells of a fork from either side. */
export function publishFork(parent: number, pid: number): void {
  if (!forks.hasSubscribers) return;
  const role = pid === 0 ? 'child' : 'parent';
  const child = pid === 0 ? process.pid : pid;
  forks.publish({ pid: process.pid, role, parent, child } satisfies ForkMessage);
}

export function publishReady(pidFile: string | undefined): void {
  if (readiness.hasSubscribers) {
    readiness.publish({ pid: process.pid, pidFile } satisfies ReadyMessage);
  }
}

/** `event` is called only if somebody wants to know. */
export function publishSignal(event: SignalEvent): void {
  if (signals.hasSubscribers) signals.publish({ ...event } satisfies SignalMessage);
}
