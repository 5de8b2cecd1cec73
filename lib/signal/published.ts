// The diagnostics channel of signals. Without subscribers no message is made.
import { channel } from 'node:diagnostics_channel';
import type { SignalName } from '../system/signal-numbers.js';

/** One delivery of a signal, reported by a {@link SignalFlag}. */
export interface SignalEvent {
  /** The signal's name: `SIGTERM`, `SIGRTMIN+2`. */
  signal: SignalName;
  /** The signal's number on this system. */
  number: number;
  /** The sender's pid for kill(2) and sigqueue(3), or the child's for SIGCHLD; 0 is the kernel. */
  pid: number;
  /** The real user id of `pid`. */
  uid: number;
  /**
   * How many deliveries of this signal the flag has seen since it was made, including this one;
   * wraps at 2^32.
   */
  count: number;
  /** When the handler ran, in milliseconds since 1970 with a fraction. */
  time: number;
}

/** The message of `daemonkit:signal`: the event loop has read a record of a {@link SignalFlag}. */
export type SignalMessage = SignalEvent;

const signals = channel('daemonkit:signal');

export function publishSignal(event: SignalEvent): void {
  if (signals.hasSubscribers) signals.publish({ ...event } satisfies SignalMessage);
}
