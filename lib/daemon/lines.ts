// The lines between launcher and daemon, and the daemon's messages on them.
import { closeSync } from 'node:fs';
import { native } from '../addon/native.js';
import { _exit } from '../posix/wait.js';
import { socketpair } from '../system/socketpair.js';
import type { Lines } from './birth.js';
import { describe } from './report.js';

/** Both ends of the lines. */
export interface Ends {
  launcher: Lines;
  daemon: Lines;
}

export function openLines(): Ends {
  const channel = socketpair(true);
  try {
    const relay = socketpair(false);
    return {
      launcher: { channel: channel[0], relay: relay[0] },
      daemon: { channel: channel[1], relay: relay[1] },
    };
  } catch (error) {
    channel.forEach((fd) => void closeSync(fd));
    throw error;
  }
}

export function closeLines({ channel, relay }: Lines): void {
  closeSync(channel);
  closeSync(relay);
}

/** Sends a record to the launcher. Returns the launcher's pid, or false if it has ended. */
export function tell(channel: number, record: `${'p' | 'r' | 'f' | 's' | 't'}${string}`): boolean {
  return native.sendRecord(channel, record) === 0;
}

/** Ends a process that could not become the daemon. The script's 'exit' listeners do not run. */
export function giveUp(lines: Lines, error: unknown): never {
  tell(lines.channel, `f${describe(error)}`);
  return _exit(1);
}
