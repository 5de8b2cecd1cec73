// The data of state.ts and next.ts: the present workers and the plans for them.
import type { SignalName } from '../../system/signal-numbers.js';
import type { EndReason, RecycleReason } from '../options.js';

/** The options; times are in milliseconds. */
export interface Rules {
  readonly seats: number;
  /** Whether a worker that has ended is replaced. */
  readonly replace: boolean;
  readonly minUptime: number;
  readonly delay: number;
  readonly maxDelay: number;
  readonly attempts: number;
  readonly readyTimeout: number;
  readonly stopTimeout: number;
}

/** Why a worker was forked that has no seat yet. */
export type Fresh = 'reload' | 'recycle';

export interface WorkerState {
  readonly pid: number;
  /** The seat, from 1. */
  readonly seat: number;
  readonly generation: number;
  readonly born: number;
  readonly readyAt: number | undefined;
  /** Set while it has no seat. */
  readonly fresh: Fresh | undefined;
  /** Why it will be recycled: it is asked to end when its replacement is ready. */
  readonly due: RecycleReason | undefined;
  /** Another worker has its seat. It is asked to end when its turn comes. */
  readonly replaced: boolean;
  /** It was forked while workers were failing: the next fork waits until it succeeds or fails. */
  readonly trial: boolean;
  /** It is ending: it has announced that, it was asked to, or it hangs and is killed. */
  readonly leaving: false | 'unasked' | 'asked' | 'hung';
  /** Why the master asked it to end or killed it. */
  readonly reason: EndReason | undefined;
  /** The signal to kill it with now. */
  readonly strike: SignalName | undefined;
  /** When to send SIGKILL. */
  readonly killAt: number;
}

/**
 * The stages of a reload: it waits for the program's hook; its workers start, and take their seats
 * when all are ready; or (rolling) each worker takes its seat when it is ready, with a limited
 * number beside those with seats; after a failure its workers without a seat are asked to end; the
 * old workers are asked to end, a limited number at a time.
 */
export type Reload =
  | {
      readonly stage: 'hook';
      readonly of: 'onMasterReload' | 'warmup';
      readonly deadline: number;
      readonly surge: number;
    }
  | { readonly stage: 'starting' }
  | { readonly stage: 'rolling'; readonly surge: number }
  | { readonly stage: 'failing'; readonly error: Error }
  | { readonly stage: 'retiring'; readonly surge: number };

export interface State {
  readonly rules: Rules;
  /** The first workers wait for the warmup. */
  readonly cold: boolean;
  readonly phase: 'running' | 'stopping' | 'ended';
  /** The error that stops the master, if any. */
  readonly reason: Error | undefined;
  readonly workers: readonly WorkerState[];
  /** The requested number of workers. */
  readonly seats: number;
  /** Whether a call waits for that number. */
  readonly scaling: boolean;
  /** The number of reloads. */
  readonly generation: number;
  readonly reload: Reload | undefined;
  /** Seats that are not filled again. */
  readonly closed: readonly number[];
  /**
   * Removed seats with connections in their queues: each gets a worker until its queue is empty.
   */
  readonly remains: readonly number[];
  /** Failures in a row; the time of the last one, and the time before which no seat is filled. */
  readonly failures: number;
  readonly failedAt: number;
  readonly notBefore: number;
  /** How many replacements of recycled workers have failed in a row, and when to try again. */
  readonly retries: number;
  readonly retryAt: number;
  /** Whether all workers were ready once; an error if that is impossible now. */
  readonly started: boolean | Error;
}

export function initial(rules: Rules): State {
  return {
    rules,
    cold: false,
    phase: 'running',
    reason: undefined,
    workers: [],
    seats: rules.seats,
    scaling: false,
    generation: 0,
    reload: undefined,
    closed: [],
    remains: [],
    failures: 0,
    failedAt: Number.NEGATIVE_INFINITY,
    notBefore: Number.NEGATIVE_INFINITY,
    retries: 0,
    retryAt: Number.NEGATIVE_INFINITY,
    started: false,
  };
}

/** The master's present state as a word. */
export function phaseOf({ phase, reload }: State): State['phase'] | 'reloading' {
  return phase === 'running' && reload !== undefined ? 'reloading' : phase;
}

/** The state that util.inspect() shows. */
export function described(given: State) {
  const { workers } = given;
  const state = phaseOf(given);
  const told = workers.map(({ seat: id, pid, generation, readyAt, leaving }) => {
    const doing = readyAt === undefined ? 'starting' : 'ready';
    return { id, pid, generation, state: leaving ? 'stopping' : doing };
  });
  return { state, workers: told };
}

/** The worker has been ready long enough that its end does not count as a failed start. */
export function isProven({ readyAt }: WorkerState, { rules }: State, now: number): boolean {
  return readyAt !== undefined && now - readyAt >= rules.minUptime;
}

/** When the worker will be proven. */
export function provenAt(
  { readyAt = Number.POSITIVE_INFINITY }: WorkerState,
  { rules }: State,
): number {
  return readyAt + rules.minUptime;
}

/** The worker has a seat: it neither waits for one nor has lost it to another worker. */
export function isSeated({ fresh, replaced }: WorkerState): boolean {
  return fresh === undefined && !replaced;
}

/** The worker has this seat and is not ending. */
export function holds(worker: WorkerState, seat: number): boolean {
  return worker.seat === seat && isSeated(worker) && !worker.leaving;
}

/** All seats. */
export function allSeats({ seats }: State): number[] {
  return Array.from({ length: seats }, (_, i) => i + 1);
}

/** Each seat has a worker that is ready. */
export function allReady(state: State, ready = (one: WorkerState) => one.readyAt !== undefined) {
  const { workers } = state;
  return allSeats(state).every((seat) => workers.some((one) => holds(one, seat) && ready(one)));
}

const stays = ({ leaving }: WorkerState) => !leaving;

/** The seats with a ready worker that is not ending. */
export function serving({ workers, seats }: State): number[] {
  const ready = workers.filter((one) => stays(one) && one.readyAt !== undefined);
  return ready.map(({ seat }) => seat).filter((seat) => seat <= seats);
}

/** The seats whose queues have or get a worker. */
export function attended({ workers, remains }: State): number[] {
  return [...remains, ...workers.filter(stays).map(({ seat }) => seat)];
}

export function updated(state: State, pid: number, change: Partial<WorkerState>): State {
  const workers = state.workers.map((one) => (one.pid === pid ? { ...one, ...change } : one));
  return { ...state, workers };
}

export function find(state: State, pid: number): WorkerState | undefined {
  return state.workers.find((one) => one.pid === pid);
}
