// Ends a daemon by its pidfile, with one signal after the other.
import { existsSync } from 'node:fs';
import type { SystemError } from '../base/errors.js';
import type { Owner } from '../pidfile/owner.js';
import { Pidfile } from '../pidfile/pidfile.js';
import { uncertain } from '../pidfile/read.js';
import type { SignalName } from '../system/signal-numbers.js';
import { secondsOf, textOf, UsageError, type Values } from './arguments.js';
import { findSettled } from './finding.js';
import { signalOf } from './signals.js';

/** Signals, each with the time that the daemon then has, in milliseconds. */
export type Schedule = readonly { signal: SignalName; wait: number }[];

/** What became of the daemon. */
export interface Stopped {
  /** The process; undefined if none ran. */
  pid: number | undefined;
  stopped: boolean;
  /** The last signal that it got. */
  signal: SignalName | undefined;
  milliseconds: number;
}

const DEFAULT = 'TERM/30/KILL/5';

/**
 * A schedule as start-stop-daemon(8) has it: SIGNAL/SECONDS, as often as wanted; or a number of
 * seconds alone, for TERM/SECONDS/KILL/SECONDS.
 */
function schedule(text: string): Schedule {
  const words = (/^[\d.]+$/.test(text) ? `TERM/${text}/KILL/${text}` : text).split('/');
  if (words.length % 2 !== 0) throw new UsageError(`--retry: '${text}' is not SIGNAL/SECONDS/...`);
  return words.flatMap((word, at) => {
    if (at % 2 !== 0) return [];
    return { signal: signalOf(word, 'retry'), wait: secondsOf(words[at + 1] ?? '', 'retry') };
  });
}

/** The schedule that the command line asks for; `timeout` is `stop`'s alone. */
export function scheduleOf(values: Values, timeout?: string): Schedule {
  const retry = textOf(values, 'retry');
  if (retry !== undefined && timeout !== undefined) {
    throw new UsageError('--retry and --timeout say the same; give one');
  }
  if (timeout !== undefined) return schedule(`TERM/${timeout}/KILL/5`);
  return schedule(retry ?? DEFAULT);
}

/** The last signal sent, if any was, and whether the process has ended. */
async function end(
  owner: Owner,
  steps: Schedule,
): Promise<[stopped: boolean, signal?: SignalName]> {
  let last: SignalName | undefined;
  for (const { signal, wait } of steps) {
    try {
      owner.signal(signal);
    } catch (error) {
      if ((error as SystemError).code !== 'ESRCH') throw error;
      return last === undefined ? [true] : [true, last];
    }
    last = signal;
    if (await owner.ended(wait)) return [true, last];
  }
  return last === undefined ? [false] : [false, last];
}

/** Removes what a daemon that was killed, or is in a chroot, could not remove itself. */
function tidy(path: string): void {
  try {
    // By its lock, so that a daemon which starts meanwhile keeps its own.
    if (existsSync(path)) Pidfile.open(path).remove();
  } catch {
    // It is somebody's again, or not ours to remove. It does no harm.
  }
}

/**
 * Ends the daemon, if one runs, and removes what is left of its pidfile.
 *
 * @throws `EAGAIN`, `ESTALE` if it is not certain who is meant: nobody was signalled.
 */
export async function stopDaemon(path: string, steps: Schedule): Promise<Stopped> {
  const start = performance.now();
  const { report, owner } = await findSettled(path);
  const { pid, state } = report;
  if (owner === undefined) {
    if (state !== 'absent' && state !== 'stale') throw uncertain(report);
    tidy(path);
    return { pid: undefined, stopped: true, signal: undefined, milliseconds: 0 };
  }
  try {
    const [stopped, signal] = await end(owner, steps);
    if (stopped) tidy(path);
    return { pid, stopped, signal, milliseconds: Math.round(performance.now() - start) };
  } finally {
    owner[Symbol.dispose]();
  }
}
