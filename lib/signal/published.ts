// The diagnostics channel of signals. Without subscribers no message is made.
import { channel } from 'node:diagnostics_channel';
import type { SignalName } from '../system/signal-numbers.js';

/** One delivery of a signal, as a {@link SignalFlag} reports it. */
export interface SignalEvent {
  /** The signal's name: `SIGTERM`, `SIGRTMIN+2`. */
  signal: SignalName;
  /** The signal's number, as this system has it. */
  number: number;
  /** The sender by kill(2) or sigqueue(3), or the child of a SIGCHLD; 0 is the kernel. */
  pid: number;
  /** The real user id of `pid`. */
  uid: number;
  /** How many of this signal the flag has seen with this one, since it was made; wraps at 2^32. */
  count: number;
  /** When the handler ran, in milliseconds since 1970 with a fraction. */
  time: number;
}

/** `daemonkit:signal`: the event loop has read a record of a {@link SignalFlag}. */
export type SignalMessage = SignalEvent;

const signals = channel('daemonkit:signal');

export function publishSignal(event: SignalEvent): void {
  if (signals.hasSubscribers) signals.publish({ ...event } satisfies SignalMessage);
}
