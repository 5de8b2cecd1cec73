// The lines between launcher and daemon, and what the daemon says over them.
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

/** Returns the launcher; false if there is none any more. */
export function tell(channel: number, record: `${'p' | 'r' | 'f' | 's' | 't'}${string}`): boolean {
  return native.sendRecord(channel, record) === 0;
}

/** Ends a process that could not become the daemon. The script's 'exit' listeners are not run. */
export function giveUp(lines: Lines, error: unknown): never {
  tell(lines.channel, `f${describe(error)}`);
  return _exit(1);
}
