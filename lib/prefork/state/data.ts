// The data of which state.ts and next.ts are functions: the workers that there are, and what is to become of them.
import type { SignalName } from '../../system/signal-numbers.js';
import type { EndReason, RecycleReason } from '../options.js';

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

/** Why a worker was forked for a seat that is not its own yet. */
export type Fresh = 'reload' | 'recycle';

export interface WorkerState {
  readonly pid: number;
  /** From 1. */
  readonly seat: number;
  readonly generation: number;
  readonly born: number;
  readonly readyAt: number | undefined;
  /** It has no seat yet. */
  readonly fresh: Fresh | undefined;
  /** Why it is to be recycled: another one shall be ready before it is asked to end. */
  readonly due: RecycleReason | undefined;
  /** Its seat is another one's, and it is asked to end when its turn comes. */
  readonly replaced: boolean;
  /** Forked while workers were failing: the next fork waits for what becomes of it. */
  readonly trial: boolean;
  /** On its way out: it has said so, it was asked to, or it hangs and is killed. */
  readonly leaving: false | 'unasked' | 'asked' | 'hung';
  /** Why the master has asked it to end, or killed it. */
  readonly reason: EndReason | undefined;
  /** The signal to kill it with now. */
  readonly strike: SignalName | undefined;
  /** When to kill it for good. */
  readonly killAt: number;
}

/**
 * A reload: waits for the program's hook; its workers start, and take their seats when all are ready; or each takes its
 * seat when it is ready, with so many at a time beside those that have seats; its workers without a seat are asked to
 * end, as one could not start; the workers before them are asked to end, so many at a time.
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
  /** Why the master stops, if that is an error. */
  readonly reason: Error | undefined;
  readonly workers: readonly WorkerState[];
  /** How many workers are wanted. */
  readonly seats: number;
  /** Somebody waits for that number. */
  readonly scaling: boolean;
  /** How many reloads there were. */
  readonly generation: number;
  readonly reload: Reload | undefined;
  /** Seats that stay empty. */
  readonly closed: readonly number[];
  /** Seats that were given up, but somebody waits in their queues: each gets a worker until nobody does. */
  readonly remains: readonly number[];
  /** In a row; the time of the last one, and the one before which no seat is filled. */
  readonly failures: number;
  readonly failedAt: number;
  readonly notBefore: number;
  /** How many workers in a row could not take the place of a recycled one, and when to try again. */
  readonly retries: number;
  readonly retryAt: number;
  /** Whether all workers were ready once; an error if that will not come. */
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

/** What it does, in a word. */
export function phaseOf({ phase, reload }: State): State['phase'] | 'reloading' {
  return phase === 'running' && reload !== undefined ? 'reloading' : phase;
}

/** What util.inspect() shows of it. */
export function described(given: State) {
  const { workers } = given;
  const state = phaseOf(given);
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

/** When it is. */
export function provenAt(
  { readyAt = Number.POSITIVE_INFINITY }: WorkerState,
  { rules }: State,
): number {
  return readyAt + rules.minUptime;
}

/** Neither does it wait for a seat, nor has it lost it to another one. */
export function isSeated({ fresh, replaced }: WorkerState): boolean {
  return fresh === undefined && !replaced;
}

/** It has the seat, and stays. */
export function holds(worker: WorkerState, seat: number): boolean {
  return worker.seat === seat && isSeated(worker) && !worker.leaving;
}

/** Which seats there are. */
export function allSeats({ seats }: State): number[] {
  return Array.from({ length: seats }, (_, i) => i + 1);
}

/** Each seat has a worker that is ready. */
export function allReady(state: State, ready = (one: WorkerState) => one.readyAt !== undefined) {
  const { workers } = state;
  return allSeats(state).every((seat) => workers.some((one) => holds(one, seat) && ready(one)));
}

const stays = ({ leaving }: WorkerState) => !leaving;

/** The seats at which somebody serves, and goes on to. */
export function serving({ workers, seats }: State): number[] {
  const ready = workers.filter((one) => stays(one) && one.readyAt !== undefined);
  return ready.map(({ seat }) => seat).filter((seat) => seat <= seats);
}

/** The seats whose queues somebody looks after, or will. */
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
