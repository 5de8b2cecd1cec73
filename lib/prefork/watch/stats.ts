// The statistics of a master's workers.

import { memoryOf } from '../../system/usage.js';
import type { WorkerExit } from '../options.js';
import { phaseOf, type State, type WorkerState } from '../state/state.js';
import type { LastExit, PreforkStats, WorkerStats } from '../told.js';
import type { Watchman } from './vitals.js';

/** The history of a seat. */
interface Seat {
  restarts: number;
  lastExit: LastExit | null;
}

const NEW: Seat = { restarts: 0, lastExit: null };

/** The history of all seats. */
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

/** The context of a request. */
export interface Asking {
  now: number;
  /** How often a worker reports. */
  beat: number;
  /** Whether to read the workers' memory, which takes time. */
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
  const { privateBytes, pss } =
    (asking.memory ? memoryOf(pid) : undefined) ?? vitals?.memory ?? UNSEEN;
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

/** The present statistics. */
export function preforkStats(
  state: State,
  watchman: Watchman,
  ledger: Ledger,
  asking: Asking,
): PreforkStats {
  const { workers, generation, seats } = state;
  const all = workers.map((one) => statsOf(one, watchman, ledger.of(one.seat), asking));
  const phase = phaseOf(state);
  const open = phase === 'running' || phase === 'reloading' ? seats : 0;
  for (let id = 1; id <= open; id++) {
    const taken = workers.some(({ seat }) => seat === id);
    if (!taken) all.push(vacancy(id, generation, ledger.of(id)));
  }
  all.sort((one, other) => one.id - other.id || one.uptime - other.uptime);
  return { pid: process.pid, state: phase, generation, seats, workers: all };
}
