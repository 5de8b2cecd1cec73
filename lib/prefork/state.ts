// What a master knows: the workers that there are, and the events that change that. All of it is data and
// functions of data; the clock's milliseconds are an argument. next.ts tells what is to be done about it.
import { codedError, invalidState } from '../base/errors.js';

/** After the worker's own deadline, which it keeps unless it hangs. */
export const KILL_AFTER_MS = 500;

/** Workers that leave as soon as they come are no failures, but must not follow each other without a break. */
const BREATH_MS = 100;

/** What the options say, in milliseconds where it is a time. */
export interface Rules {
  readonly seats: number;
  /** A worker that has ended is replaced. */
  readonly replace: boolean;
  readonly minUptime: number;
  readonly delay: number;
  readonly maxDelay: number;
  readonly attempts: number;
  readonly readyTimeout: number;
  readonly stopTimeout: number;
}

export interface WorkerState {
  readonly pid: number;
  /** From 1. */
  readonly seat: number;
  readonly generation: number;
  readonly born: number;
  readonly readyAt: number | undefined;
  /** Of the reload under way: it takes its seat when all of them are ready. */
  readonly fresh: boolean;
  /** A reload has given its seat to another one, and asks it to end when its turn comes. */
  readonly replaced: boolean;
  /** Forked while workers were failing: the next fork waits for what becomes of it. */
  readonly trial: boolean;
  /** On its way out: it has said so, or it was asked to. */
  readonly leaving: false | 'unasked' | 'asked';
  /** When to kill it. */
  readonly killAt: number;
}

/**
 * A reload: waits for the program's hook; its workers start; they are asked to end, as not all of them
 * could; the workers before them are asked to end.
 */
export type Reload =
  | { readonly stage: 'hook'; readonly deadline: number }
  | { readonly stage: 'starting' }
  | { readonly stage: 'failing'; readonly error: Error }
  | { readonly stage: 'retiring' };

export interface State {
  readonly rules: Rules;
  readonly phase: 'running' | 'stopping' | 'ended';
  /** Why the master stops, if that is an error. */
  readonly reason: Error | undefined;
  readonly workers: readonly WorkerState[];
  /** How many reloads there were. */
  readonly generation: number;
  readonly reload: Reload | undefined;
  /** Seats that stay empty. */
  readonly closed: readonly number[];
  /** In a row; the time of the last one, and the one before which no seat is filled. */
  readonly failures: number;
  readonly failedAt: number;
  readonly notBefore: number;
  /** Whether all workers were ready once; an error if that will not come. */
  readonly started: boolean | Error;
}

export function initial(rules: Rules): State {
  return {
    rules,
    phase: 'running',
    reason: undefined,
    workers: [],
    generation: 0,
    reload: undefined,
    closed: [],
    failures: 0,
    failedAt: Number.NEGATIVE_INFINITY,
    notBefore: Number.NEGATIVE_INFINITY,
    started: false,
  };
}

/** What util.inspect() shows of it. */
export function described({ phase, reload, workers }: State) {
  const state = phase === 'running' && reload !== undefined ? 'reloading' : phase;
  const told = workers.map(({ seat: id, pid, generation, readyAt, leaving }) => {
    const doing = readyAt === undefined ? 'starting' : 'ready';
    return { id, pid, generation, state: leaving ? 'stopping' : doing };
  });
  return { state, workers: told };
}

/** It has been ready for a while, so that its end is no failure to start. */
export function isProven({ readyAt }: WorkerState, { rules }: State, now: number): boolean {
  return readyAt !== undefined && now - readyAt >= rules.minUptime;
}

/** Neither does it wait for a seat, nor has it lost it to another one. */
export function isSeated({ fresh, replaced }: WorkerState): boolean {
  return !fresh && !replaced;
}

/** The seats at which somebody serves, and goes on to. */
export function serving({ workers }: State): number[] {
  return workers.flatMap((one) => (one.readyAt !== undefined && !one.leaving ? one.seat : []));
}

export function updated(state: State, pid: number, change: Partial<WorkerState>): State {
  const workers = state.workers.map((one) => (one.pid === pid ? { ...one, ...change } : one));
  return { ...state, workers };
}

function find(state: State, pid: number): WorkerState | undefined {
  return state.workers.find((one) => one.pid === pid);
}

/** One more failure in a row, and the pause that follows it. */
function failed(state: State, now: number): State {
  const { delay, maxDelay, attempts } = state.rules;
  const failures = state.failures + 1;
  const notBefore = now + Math.min(delay * 2 ** (failures - 1), maxDelay);
  const next = { ...state, failures, failedAt: now, notBefore };
  if (failures < attempts) return next;
  const message = `${failures} workers in a row have failed`;
  return stopAsked(next, codedError(message, 'ERR_WORKERS_FAILED'));
}

function reloadFailed(state: State, error: Error): State {
  return { ...state, reload: { stage: 'failing', error } };
}

/** A worker of the reload that does not come to its seat takes the reload with it. */
function freshLost(state: State, { seat, fresh, readyAt }: WorkerState, how: string): State {
  if (!fresh || state.reload?.stage !== 'starting') return state;
  const when = readyAt === undefined ? 'before it was ready' : 'before the others were ready';
  const message = `the new worker ${seat} has ${how} ${when}`;
  return reloadFailed(state, codedError(message, 'ERR_RELOAD_FAILED'));
}

/** A fork was made. */
export function forked(
  state: State,
  now: number,
  { pid, seat, fresh }: { pid: number; seat: number; fresh: boolean },
): State {
  const worker: WorkerState = {
    pid,
    seat,
    fresh,
    generation: state.generation,
    born: now,
    readyAt: undefined,
    replaced: false,
    trial: state.failures > 0 && !fresh,
    leaving: false,
    killAt: now + state.rules.readyTimeout,
  };
  return { ...state, workers: [...state.workers, worker] };
}

/** A fork was not to be had. */
export function forkFailed(state: State, now: number, fresh: boolean, error: Error): State {
  if (!fresh) return failed(state, now);
  return state.reload?.stage === 'starting' ? reloadFailed(state, error) : state;
}

/** A worker is ready. */
export function becameReady(state: State, now: number, pid: number): State {
  const worker = find(state, pid);
  if (worker === undefined || worker.readyAt !== undefined) return state;
  const killAt = worker.leaving ? worker.killAt : Number.POSITIVE_INFINITY;
  return updated(state, pid, { readyAt: now, killAt });
}

/** A worker ends by itself, and in order: its seat is free from now on. */
export function leaves(state: State, now: number, pid: number): State {
  const worker = find(state, pid);
  if (worker === undefined || worker.leaving) return state;
  const killAt = now + state.rules.stopTimeout + KILL_AFTER_MS;
  const next = freshLost(updated(state, pid, { leaving: 'unasked', killAt }), worker, 'left');
  if (!isSeated(worker)) return next;
  if (!state.rules.replace) return emptied(next, worker);
  if (isProven(worker, state, now)) return next;
  return { ...next, notBefore: Math.max(next.notBefore, now + BREATH_MS) };
}

/** A worker has ended. */
export function ended(state: State, now: number, pid: number): State {
  const worker = find(state, pid);
  if (worker === undefined) return state;
  const workers = state.workers.filter((one) => one !== worker);
  const next = freshLost({ ...state, workers }, worker, 'ended');
  if (!isSeated(worker) || worker.leaving || state.phase !== 'running') return next;
  if (!state.rules.replace) return emptied(next, worker);
  return isProven(worker, state, now) ? next : failed(next, now);
}

/** A seat that nobody takes again. */
function emptied(state: State, { seat, readyAt }: WorkerState): State {
  const closed = [...state.closed, seat];
  if (state.started !== false || readyAt !== undefined) return { ...state, closed };
  const message = `worker ${seat} has ended before it was ready`;
  return { ...state, closed, started: codedError(message, 'ERR_WORKERS_FAILED') };
}

/** A reload is wanted. */
export function reloadAsked(state: State, now: number): State {
  return { ...state, reload: { stage: 'hook', deadline: now + state.rules.readyTimeout } };
}

/**
 * The program has made what it reloads, or could not. A pause ends: what made the workers fail may be
 * what was changed.
 */
export function hookSettled(state: State, now: number, error?: Error): State {
  if (state.reload?.stage !== 'hook') return state;
  if (error !== undefined) return reloadFailed(state, error);
  const { generation, notBefore } = state;
  return {
    ...state,
    generation: generation + 1,
    notBefore: Math.min(notBefore, now),
    reload: { stage: 'starting' },
  };
}

/** Nobody wants the reload any more: its workers are asked to end, unless they have their seats. */
export function reloadAbandoned(state: State, error: Error): State {
  const stage = state.reload?.stage;
  return stage === 'hook' || stage === 'starting' ? reloadFailed(state, error) : state;
}

/** The master shall stop. */
export function stopAsked(state: State, reason?: Error): State {
  if (state.phase !== 'running') return state;
  const started = state.started || (reason ?? invalidState('the master was stopped'));
  return { ...state, phase: 'stopping', reason, started };
}
