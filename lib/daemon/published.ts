// The diagnostics channel of readiness. Without subscribers no message is made.
import { channel } from 'node:diagnostics_channel';

/** The message of `daemonkit:ready`: this process is a daemon and has reported that it is ready. */
export interface ReadyMessage {
  /** The daemon. */
  pid: number;
  /** The option of becomeDaemon(), as an absolute path. */
  pidfile: string | undefined;
}

const readiness = channel('daemonkit:ready');

export function publishReady(pidfile: string | undefined): void {
  if (readiness.hasSubscribers) {
    readiness.publish({ pid: process.pid, pidfile } satisfies ReadyMessage);
  }
}
