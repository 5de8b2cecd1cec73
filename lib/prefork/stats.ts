// What a master tells of its workers to those who watch it.

import type { SignalName } from '../system/signal-numbers.js';
import { memoryOf } from '../system/usage.js';
import type { EndReason, WorkerExit } from './options.js';
import { phaseOf, type State, type WorkerState } from './state.js';
import type { Watchman } from './vitals.js';

/** The end of a seat's last worker. */
export interface LastExit {
  pid: number;
  /** Null if a signal killed it, or somebody else has waited for it. */
  exitCode: number | null;
  signal: SignalName | null;
  /** Milliseconds from its fork to its end. */
  lived: number;
  /** Why the master has asked it to end, or killed it; null if it did neither. */
  reason: EndReason | null;
  /** When that was, in milliseconds since 1970. */
  at: number;
}

/** One worker; or a seat without one, whose `pid` is null. */
export interface WorkerStats {
  /** The worker's seat, from 1 to the number of workers. While one replaces another both have it. */
  id: number;
  pid: number | null;
  /** How many reloads there had been when it was forked. */
  generation: number;
  /** `vacant`: the seat's worker has ended, and the next one is yet to come. */
  state: 'starting' | 'ready' | 'stopping' | 'vacant';
  /** Milliseconds since its fork. */
  uptime: number;
  /** How many requests its servers were asked, as it has reported: those of `server` and `serve()`. */
  requests: number;
  /** How many of them are not answered to the end. */
  requestsUnderWay: number;
  /** The open connections of the same servers. */
  connections: number;
  /** How late its timers were, in milliseconds; of a worker that stands still, since when. */
  eventLoopDelay: number;
  /** Bytes of memory that it shares with nobody; null if they may not be seen. */
  privateBytes: number | null;
  /** The same, and its part of what it shares (proportional set size). */
  pss: number | null;
  /** How often its seat was filled anew: each worker before it, but for those that a reload has replaced. */
  restarts: number;
  /** How the seat's last worker has ended; null if none has. */
  lastExit: LastExit | null;
}

/** What {@link PreforkMaster.stats} tells. */
export interface PreforkStats {
  /** The master. */
  pid: number;
  state: 'running' | 'reloading' | 'stopping' | 'ended';
  /** How many reloads there were. */
  generation: number;
  /** How many workers there shall be. */
  seats: number;
  workers: WorkerStats[];
}

/** What is remembered of a seat. */
interface Seat {
  restarts: number;
  lastExit: LastExit | null;
}

const NEW: Seat = { restarts: 0, lastExit: null };

/** What has become of the workers that were there. */
export class Ledger {
  readonly #seats = new Map<number, Seat>();

  /** A worker has ended. */
  note({ seat, fresh }: WorkerState, exit: WorkerExit): void {
    const { restarts } = this.of(seat);
    const { pid, exitCode, signal, lived, reason } = exit;
    const lastExit = { pid, exitCode, signal, lived, reason, at: Date.now() };
    const counts = fresh === undefined && reason !== 'reload' && reason !== 'stop';
    this.#seats.set(seat, { restarts: restarts + Number(counts), lastExit });
  }

  of(seat: number): Seat {
    return this.#seats.get(seat) ?? NEW;
  }
}

function doing({ readyAt, leaving }: WorkerState): 'starting' | 'ready' | 'stopping' {
  if (leaving) return 'stopping';
  return readyAt === undefined ? 'starting' : 'ready';
}

const UNSEEN = { privateBytes: null, pss: null };

/** Who asks. */
export interface Asking {
  now: number;
  /** How often a worker reports. */
  beat: number;
  /** Whether to read the workers' memory, which takes a while. */
  memory: boolean;
}

function statsOf(worker: WorkerState, watchman: Watchman, seat: Seat, asking: Asking): WorkerStats {
  const { seat: id, pid, generation, born } = worker;
  const vitals = watchman.of(pid);
  const {
    requests = 0,
    requestsUnderWay = 0,
    connections = 0,
    eventLoopDelay = 0,
  } = vitals?.report ?? {};
  const { now, beat } = asking;
  const still = vitals === undefined ? 0 : now - vitals.heardAt - 2 * beat;
  const { privateBytes, pss } = (asking.memory ? memoryOf(pid) : undefined) ?? UNSEEN;
  return {
    ...{ id, pid, generation, state: doing(worker), uptime: Math.round(now - born) },
    ...{ requests, requestsUnderWay, connections },
    eventLoopDelay: Math.round(10 * Math.max(eventLoopDelay, still)) / 10,
    ...{ privateBytes, pss, ...seat },
  };
}

function vacancy(id: number, generation: number, seat: Seat): WorkerStats {
  const nothing = { requests: 0, requestsUnderWay: 0, connections: 0, eventLoopDelay: 0 };
  const nobody = { pid: null, state: 'vacant', uptime: 0, privateBytes: null, pss: null } as const;
  return { id, generation, ...nobody, ...nothing, ...seat };
}

/** What is known now. */
export function preforkStats(
  state: State,
  watchman: Watchman,
  ledger: Ledger,
  asking: Asking,
): PreforkStats {
  const { workers, generation, rules } = state;
  const all = workers.map((one) => statsOf(one, watchman, ledger.of(one.seat), asking));
  const phase = phaseOf(state);
  const open = phase === 'running' || phase === 'reloading' ? rules.seats : 0;
  for (let id = 1; id <= open; id++) {
    const taken = workers.some(({ seat }) => seat === id);
    if (!taken) all.push(vacancy(id, generation, ledger.of(id)));
  }
  all.sort((one, other) => one.id - other.id || one.uptime - other.uptime);
  return { pid: process.pid, state: phase, generation, seats: rules.seats, workers: all };
}
