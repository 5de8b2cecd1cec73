// The events of a master's workers, as functions from state to state (data.ts). The time in
// milliseconds is an argument. next.ts decides the actions.
import { constants } from 'node:os';
import { codedError, invalidState } from '../../base/errors.js';
import { type SignalName, signalNumber } from '../../system/signal-numbers.js';
import type { RecycleReason } from '../options.js';
import {
  type Fresh,
  find,
  isProven,
  isSeated,
  type Reload,
  type State,
  updated,
  type WorkerState,
} from './data.js';

export * from './data.js';

/** Milliseconds after the worker's own deadline, which it keeps unless it hangs. */
export const KILL_AFTER_MS = 500;

/** Workers that end at once on purpose are not failures, but there must be a pause between them. */
const BREATH_MS = 100;

const { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGSEGV, SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ } =
  constants.signals;

/** Signals whose default action is a core dump. Source: signal(7). */
const DUMPING: readonly number[] = [
  ...[SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT],
  ...[SIGSEGV, SIGSYS, SIGTRAP, SIGXCPU, SIGXFSZ],
];

/** Counts a failure and sets the pause after it. */
function failed(state: State, now: number): State {
  const { delay, maxDelay, attempts } = state.rules;
  const failures = state.failures + 1;
  const notBefore = now + Math.min(delay * 2 ** (failures - 1), maxDelay);
  const next = { ...state, failures, failedAt: now, notBefore };
  if (failures < attempts) return next;
  const message = `${failures} workers in a row have failed`;
  return stopAsked(next, codedError(message, 'ERR_WORKERS_FAILED'));
}

/** Whether the new workers of a reload are starting. */
function reloadStarts({ reload }: State): boolean {
  return reload?.stage === 'starting' || reload?.stage === 'rolling';
}

function reloadFailed(state: State, error: Error): State {
  return { ...state, reload: { stage: 'failing', error } };
}

/**
 * If its replacement fails, a recycled worker continues to serve. This does not count as a failure
 * of the master.
 */
function recyclingFailed(state: State, now: number): State {
  const { delay, maxDelay } = state.rules;
  const retryAt = now + Math.min(delay * 2 ** state.retries, maxDelay);
  return { ...state, retries: state.retries + 1, retryAt };
}

/**
 * A reload fails if a new worker ends before it has its seat, or soon after: the next ones would
 * probably fail too.
 */
function newLost(state: State, now: number, worker: WorkerState, how: string): State {
  const { seat, fresh, readyAt, leaving, generation } = worker;
  if (leaving) return state;
  if (fresh === 'recycle') return recyclingFailed(state, now);
  if (!reloadStarts(state) || generation < state.generation || isProven(worker, state, now)) {
    return state;
  }
  const rolling = state.reload?.stage === 'rolling';
  if (!rolling && fresh === undefined) return state;
  const before = rolling ? 'soon after it was ready' : 'before the others were ready';
  const when = readyAt === undefined ? 'before it was ready' : before;
  const message = `the new worker ${seat} has ${how} ${when}${rolling ? soFar(state) : ''}`;
  return reloadFailed(state, codedError(message, 'ERR_RELOAD_FAILED'));
}

/** Describes the progress of a rolling reload. */
function soFar({ workers, generation, seats }: State): string {
  const done = workers.filter((one) => isSeated(one) && one.generation === generation);
  return `; ${done.filter((one) => one.readyAt !== undefined).length} of ${seats} workers were replaced`;
}

/** A fork was made. */
export function forked(
  state: State,
  now: number,
  { pid, seat, fresh }: { pid: number; seat: number; fresh: Fresh | undefined },
): State {
  const worker: WorkerState = {
    pid,
    seat,
    fresh,
    generation: state.generation,
    born: now,
    readyAt: undefined,
    due: undefined,
    replaced: false,
    trial: state.failures > 0 && fresh === undefined,
    leaving: false,
    reason: undefined,
    strike: undefined,
    killAt: now + state.rules.readyTimeout,
  };
  return { ...state, workers: [...state.workers, worker] };
}

/** A fork has failed. */
export function forkFailed(
  state: State,
  now: number,
  fresh: Fresh | undefined,
  error: Error,
): State {
  if (fresh === undefined) return failed(state, now);
  if (fresh === 'recycle') return recyclingFailed(state, now);
  return reloadStarts(state) ? reloadFailed(state, error) : state;
}

/** A worker is ready. */
export function becameReady(state: State, now: number, pid: number): State {
  const worker = find(state, pid);
  if (worker === undefined || worker.readyAt !== undefined) return state;
  const doomed = worker.leaving || worker.reason !== undefined;
  const killAt = doomed ? worker.killAt : Number.POSITIVE_INFINITY;
  return updated(state, pid, { readyAt: now, killAt });
}

/**
 * The master, or the whole machine, was stopped. Workers with a passed deadline get a new one,
 * because their messages may be waiting to be read.
 */
export function stoodStill(state: State, now: number): State {
  const { readyTimeout, stopTimeout } = state.rules;
  const workers = state.workers.map((one): WorkerState => {
    if (one.killAt > now) return one;
    return { ...one, killAt: now + (one.leaving ? stopTimeout + KILL_AFTER_MS : readyTimeout) };
  });
  const { reload } = state;
  if (reload?.stage !== 'hook' || reload.deadline > now) return { ...state, workers };
  return { ...state, workers, reload: { ...reload, deadline: now + readyTimeout } };
}

/** A worker has announced its end: its seat is free from now on. */
export function leaves(state: State, now: number, pid: number): State {
  const worker = find(state, pid);
  if (worker === undefined || worker.leaving) return state;
  const killAt = now + state.rules.stopTimeout + KILL_AFTER_MS;
  const left = updated(state, pid, { leaving: 'unasked', killAt });
  const next = attendedTo(newLost(left, now, worker, 'left'), worker);
  if (!isSeated(worker)) return next;
  if (!state.rules.replace) return emptied(next, worker);
  if (isProven(worker, state, now)) return next;
  return { ...next, notBefore: Math.max(next.notBefore, now + BREATH_MS) };
}

/** A worker must be recycled: it is asked to end when its replacement is ready. */
export function replacementAsked(state: State, pid: number, due: RecycleReason): State {
  const worker = find(state, pid);
  // A worker without a seat is either new or already replaced.
  if (worker === undefined || !isSeated(worker) || worker.leaving || worker.due) return state;
  return updated(state, pid, { due });
}

/** How long a signal may take to end a process. SIGKILL would cut a core dump short. */
function graceOf(signal: SignalName, { stopTimeout }: State['rules']): number {
  const slow = DUMPING.includes(signalNumber(signal, 'signal'));
  return slow ? Math.max(stopTimeout, KILL_AFTER_MS) : KILL_AFTER_MS;
}

/**
 * A worker hangs: it is killed, and its seat is free from now on. This counts as a failure only if
 * it was not ready yet.
 */
export function hangs(
  state: State,
  now: number,
  { pid, signal }: { pid: number; signal: SignalName },
): State {
  const worker = find(state, pid);
  if (worker === undefined || worker.reason === 'hang') return state;
  const leaving = worker.leaving || (worker.readyAt === undefined ? false : 'hung');
  const killAt = now + graceOf(signal, state.rules);
  const dying = updated(state, pid, { leaving, killAt, strike: signal, reason: 'hang' });
  if (!leaving || worker.leaving) return dying;
  const next = newLost(dying, now, worker, 'hung');
  return isSeated(worker) && !state.rules.replace ? emptied(next, worker) : next;
}

/** A worker has ended. */
export function ended(state: State, now: number, pid: number): State {
  const worker = find(state, pid);
  if (worker === undefined) return state;
  const workers = state.workers.filter((one) => one !== worker);
  const gone = newLost({ ...state, workers }, now, worker, 'ended');
  if (!isSeated(worker) || worker.leaving || state.phase !== 'running') return gone;
  const next = attendedTo(gone, worker);
  if (!state.rules.replace) return emptied(next, worker);
  return isProven(worker, state, now) ? next : failed(next, now);
}

/** A connection waits in the queue of a removed seat. */
export function remains(state: State, seat: number): State {
  if (seat <= state.seats || state.remains.includes(seat)) return state;
  return { ...state, remains: [...state.remains, seat] };
}

/** The worker of such a seat has finished or failed. */
function attendedTo(state: State, { seat }: WorkerState): State {
  return { ...state, remains: state.remains.filter((one) => one !== seat) };
}

/** Marks a seat that is not filled again. */
function emptied(state: State, { seat, readyAt }: WorkerState): State {
  if (seat > state.seats) return state;
  const closed = [...state.closed, seat];
  if (state.started !== false || readyAt !== undefined) return { ...state, closed };
  const message = `worker ${seat} has ended before it was ready`;
  return { ...state, closed, started: codedError(message, 'ERR_WORKERS_FAILED') };
}

/**
 * A reload is requested, with a limited number of workers beside those with seats. Infinity: all at
 * once.
 */
export function reloadAsked(state: State, now: number, surge = Number.POSITIVE_INFINITY): State {
  const deadline = now + state.rules.readyTimeout;
  return { ...state, reload: { stage: 'hook', of: 'onMasterReload', deadline, surge } };
}

/** The program's onMasterReload has settled. The warmup may take until the deadline. */
export function reloadWarms(state: State, deadline: number): State {
  if (state.reload?.stage !== 'hook') return state;
  return { ...state, reload: { ...state.reload, of: 'warmup', deadline } };
}

/** The warmup before the first workers has settled. */
export function warmed(state: State, error?: Error): State {
  const warm = { ...state, cold: false };
  return error === undefined ? warm : stopAsked(warm, error);
}

/**
 * The program's part of the reload has succeeded or failed. The pause after failures ends, because
 * the reload may fix their cause.
 */
export function hookSettled(state: State, now: number, error?: Error): State {
  if (state.reload?.stage !== 'hook') return state;
  if (error !== undefined) return reloadFailed(state, error);
  const { surge } = state.reload;
  const reload: Reload =
    surge === Number.POSITIVE_INFINITY ? { stage: 'starting' } : { stage: 'rolling', surge };
  const notBefore = Math.min(state.notBefore, now);
  return { ...state, generation: state.generation + 1, notBefore, reload };
}

/** The reload is cancelled: its workers without a seat are asked to end. */
export function reloadAbandoned(state: State, error: Error): State {
  const begun = state.reload?.stage === 'hook' || reloadStarts(state);
  return begun ? reloadFailed(state, error) : state;
}

/** Another number of workers is requested. */
export function scaleAsked(state: State, seats: number): State {
  if (state.phase !== 'running') return state;
  const remains = state.remains.filter((seat) => seat > seats);
  return { ...state, seats, closed: [], remains, scaling: true };
}

/** The master must stop. */
export function stopAsked(state: State, reason?: Error): State {
  if (state.phase !== 'running') return state;
  const started = state.started || (reason ?? invalidState('the master was stopped'));
  return { ...state, phase: 'stopping', reason, started };
}
