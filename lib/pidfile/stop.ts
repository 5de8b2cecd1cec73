// Ends the process that holds a pidfile, with a sequence of signals.
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

/** A signal, and how long to wait after it. */
export interface StopStep {
  /** The signal's name or number. */
  signal: Signal;
  /** How long to wait for the end of the process, in milliseconds, 0 to 2^31-1. */
  wait: number;
}

/** Options of {@link pidfileStop}. */
export interface PidfileStopOptions {
  /**
   * The signals to send, in order, until the process has ended. Default: SIGTERM and 30 s, SIGKILL
   * and 5 s.
   */
  schedule?: readonly StopStep[] | undefined;
  /** Ends the wait when it aborts; then no more signals are sent. Default: none. */
  signal?: AbortSignal | undefined;
}

/** The result of {@link pidfileStop}. */
interface Told {
  /** The file, as an absolute path. */
  path: string;
  /** The final state of the process. */
  state: 'none' | 'ended' | 'running';
  /** The pid of the process; undefined if no process held the file. */
  pid: number | undefined;
  /** The last signal sent; undefined if none was sent. */
  signal: SignalName | undefined;
  /** How long the call took, in milliseconds. */
  milliseconds: number;
}

/** No process held the file. */
export interface PidfileNobody extends Told {
  state: 'none';
  pid: undefined;
  signal: undefined;
}

/**
 * The process has ended. `signal` is the last signal sent; undefined if the process ended before
 * the first one.
 */
export interface PidfileEnded extends Told {
  state: 'ended';
  pid: number;
  signal: SignalName | undefined;
}

/** The process still runs after the last signal and its wait. */
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

/** Removes the file of a daemon that was killed, or that is in a chroot and cannot remove it. */
function tidy(path: string): void {
  try {
    // Takes the lock first, so that the file of a daemon that is starting stays.
    if (existsSync(path)) Pidfile.open(path).remove();
  } catch {
    // Another process holds it now, or permission is missing. The file does no harm.
  }
}

/**
 * Ends the process that holds a pidfile, and no other: sends it a signal, waits for its end, and
 * sends the next signal if it does not end. The call proves that the process is the holder, as
 * {@link pidfileRead} does, then signals it and waits for it by a descriptor. At the end it removes
 * the pidfile if that is still there.
 *
 * If a process has locked the file but not written it yet, the call waits for up to five seconds.
 * If the file was removed, the call finds the process by its open files, as far as the caller may
 * see them.
 *
 * ```ts
 * const { state, pid } = await pidfileStop('/run/hello.pid');
 * if (state === 'running') throw new Error(`process ${pid} does not end`);
 * ```
 *
 * @param path - the pidfile; a relative path starts at the working directory.
 * @param opts - see {@link PidfileStopOptions}.
 * @returns a promise of the outcome: see {@link PidfileStopped}.
 * @throws (rejects with) `EAGAIN` (syscall `flock`, with `path`) if the file stays locked and
 *   empty, `ESTALE` if the holder cannot be proven, `ENOENT` (syscall `open`) if the directory does
 *   not exist: then no process was signalled. `EPERM` (syscall `pidfd_send_signal`, on FreeBSD
 *   `kill`) without permission; the errors of pidfileRead(); an `AbortError` (`ABORT_ERR`, with the
 *   signal's reason as `cause`) if aborted. `TypeError`, `RangeError` for wrong arguments.
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
