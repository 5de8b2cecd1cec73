// Ends the process that holds a pidfile, with one signal after the other.
import { existsSync } from 'node:fs';
import { signalIn } from '../base/abort.js';
import { absolutePath } from '../base/absolute.js';
import { invalidArgValue, type SystemError } from '../base/errors.js';
import { elements, integer, options, path as pathString } from '../base/validate.js';
import {
  type Signal,
  type SignalName,
  signalName,
  signalNumber,
} from '../system/signal-numbers.js';
import type { Owner } from './owner.js';
import { Pidfile } from './pidfile.js';
import { findSettled, provenOwner } from './search.js';

/** A signal, and the time that the process then has. */
export interface StopStep {
  /** The signal's name or number. */
  signal: Signal;
  /** Milliseconds to wait for its end, 0 to 2^31-1. */
  wait: number;
}

/** Options of {@link pidfileStop}. */
export interface PidfileStopOptions {
  /** What to send, one after the other, until it has ended. Default: SIGTERM and 30 s, SIGKILL and 5 s. */
  schedule?: readonly StopStep[] | undefined;
  /** Ends the wait when it aborts; nothing more is sent then. Default: none. */
  signal?: AbortSignal | undefined;
}

/** The result of {@link pidfileStop}. */
interface Told {
  /** The file, as an absolute path. */
  path: string;
  /** What became of the process. */
  state: 'none' | 'ended' | 'running';
  /** The process; undefined if none ran. */
  pid: number | undefined;
  /** The last signal sent; undefined if none was. */
  signal: SignalName | undefined;
  /** How long it took. */
  milliseconds: number;
}

/** None ran. */
export interface PidfileNobody extends Told {
  state: 'none';
  pid: undefined;
  signal: undefined;
}

/** It has ended; `signal` is the last one sent, undefined if it had ended before one was. */
export interface PidfileEnded extends Told {
  state: 'ended';
  pid: number;
  signal: SignalName | undefined;
}

/** It goes on after the last signal and its time. */
export interface PidfileGoesOn extends Told {
  state: 'running';
  pid: number;
  signal: SignalName;
}

/** The result of {@link pidfileStop}, by its `state`. */
export type PidfileStopped = PidfileNobody | PidfileEnded | PidfileGoesOn;

const DEFAULT: readonly StopStep[] = [
  { signal: 'SIGTERM', wait: 30_000 },
  { signal: 'SIGKILL', wait: 5000 },
];

interface Step {
  number: number;
  wait: number;
}

function stepOf(value: unknown, name: string): Step {
  const { signal, wait } = options<StopStep>(value ?? null, ['signal', 'wait'], name);
  return {
    number: signalNumber(signal, `${name}.signal`),
    wait: integer(wait, `${name}.wait`, 0),
  };
}

function scheduleOf(value: unknown): Step[] {
  const steps = elements(value, 'options.schedule', stepOf);
  if (steps.length > 0) return steps;
  throw invalidArgValue('options.schedule', value, 'must not be empty');
}

type Outcome = Pick<PidfileEnded, 'state' | 'signal'> | Pick<PidfileGoesOn, 'state' | 'signal'>;

async function end(owner: Owner, steps: readonly Step[], abort?: AbortSignal): Promise<Outcome> {
  let signal: SignalName | undefined;
  for (const { number, wait } of steps) {
    try {
      owner.signal(number);
    } catch (error) {
      if ((error as SystemError).code !== 'ESRCH') throw error;
      return { state: 'ended', signal };
    }
    signal = signalName(number);
    if (await owner.ended(wait, abort)) return { state: 'ended', signal };
  }
  return { state: 'running', signal: signal as SignalName };
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
 * Ends the process that holds a pidfile, and no other: sends it a signal, waits for its end, and sends the
 * next one if that does not come. It is proven to be the one, as by {@link pidfileRead}, and signalled and
 * waited for by a descriptor. What is left of the pidfile is removed.
 *
 * A process that has locked its file and not written it yet is waited for, for up to five seconds. One whose
 * file was removed is found by what it has open, as far as that is for the caller to see.
 *
 * ```ts
 * const { state, pid } = await pidfileStop('/run/hello.pid');
 * if (state === 'running') throw new Error(`process ${pid} does not end`);
 * ```
 *
 * @param path - the pidfile; a relative path starts at the working directory.
 * @param opts - see {@link PidfileStopOptions}.
 * @returns a promise of what has happened: see {@link PidfileStopped}.
 * @throws (rejects with) `EAGAIN` (syscall `flock`, with `path`) if the file stays locked and empty, `ESTALE`
 *   if it is not proven which process it means, `ENOENT` (syscall `open`) if there is no such directory: no process was
 *   signalled. `EPERM` (syscall `pidfd_send_signal`, on FreeBSD `kill`) without permission; what pidfileRead()
 *   throws; an `AbortError` (`ABORT_ERR`, `cause` the reason) when aborted. `TypeError`, `RangeError`
 *   for wrong arguments.
 *
 * Platform: Linux, from 5.3 on. FreeBSD: kill(2) right after the proof; a removed file is not found.
 * Source: start-stop-daemon(8), `--retry`; pidfile(3), FreeBSD; pidfd_send_signal(2), Linux.
 */
export async function pidfileStop(
  path: string,
  opts?: PidfileStopOptions,
): Promise<PidfileStopped> {
  const file = absolutePath(pathString(path));
  const given = options<PidfileStopOptions>(opts, ['schedule', 'signal']);
  const steps = scheduleOf(given.schedule ?? DEFAULT);
  const abort = signalIn(given);
  const start = performance.now();
  const owner = provenOwner(await findSettled(file, abort));
  const told = () => ({ path: file, milliseconds: Math.round(performance.now() - start) });
  try {
    const { pid } = owner ?? {};
    if (owner === undefined || pid === undefined) {
      tidy(file);
      return { state: 'none', pid: undefined, signal: undefined, ...told() };
    }
    const outcome = await end(owner, steps, abort);
    if (outcome.state === 'ended') tidy(file);
    return { ...outcome, pid, ...told() };
  } finally {
    owner?.[Symbol.dispose]();
  }
}
