// The diagnostics channel of readiness. Without subscribers no message is made.
import { channel } from 'node:diagnostics_channel';

/** `daemonkit:ready`: this process is a daemon, and has reported to its launcher that it is ready. */
export interface ReadyMessage {
  /** The daemon. */
  pid: number;
  /** As the option of becomeDaemon(), absolute. */
  pidfile: string | undefined;
}

const readiness = channel('daemonkit:ready');

export function publishReady(pidfile: string | undefined): void {
  if (readiness.hasSubscribers) {
    readiness.publish({ pid: process.pid, pidfile } satisfies ReadyMessage);
  }
}
