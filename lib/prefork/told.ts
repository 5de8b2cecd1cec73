// The reports of a master: stats(), and the messages of its diagnostics channels.
import type { SignalName } from '../system/signal-numbers.js';
import type { EndReason, RecycleReason, WorkerExit } from './options.js';

/** The end of a seat's last worker. */
export interface LastExit {
  /** The worker's process id. The system may have reused it. */
  pid: number;
  /** The exit code; null if a signal killed it, or other code has waited for it. */
  exitCode: number | null;
  /** The signal that killed it, or null. */
  signal: SignalName | null;
  /** Milliseconds from its fork to its end. */
  lived: number;
  /** Why the master asked it to end or killed it; null if it did neither. */
  reason: EndReason | null;
  /** The time of its end, in milliseconds since 1970. */
  at: number;
}

/** A worker, or a seat without a worker, whose `pid` is null. */
export interface WorkerStats {
  /**
   * The worker's seat, from 1 to the number of workers. While one worker replaces another, both
   * have it.
   */
  id: number;
  /** Its process id; null if the seat has no worker. */
  pid: number | null;
  /** How many reloads there had been when it was forked. */
  generation: number;
  /** `vacant`: the seat's worker has ended, and the next one is not forked yet. */
  state: 'starting' | 'ready' | 'stopping' | 'vacant';
  /** Milliseconds since its fork. */
  uptime: number;
  /**
   * How many requests its servers have received, as it has reported: those of `server` and
   * `serve()`.
   */
  requests: number;
  /** How many of them have no complete response yet. */
  requestsUnderWay: number;
  /** The open connections of the same servers. */
  connections: number;
  /** How late its timers were, in milliseconds; if its event loop is blocked, for how long. */
  eventLoopDelay: number;
  /** Bytes of private memory; null if the master may not read this. */
  privateBytes: number | null;
  /** The same plus its part of shared memory (proportional set size). */
  pss: number | null;
  /**
   * How often its seat was filled again: the number of earlier workers, except those that a reload
   * has replaced.
   */
  restarts: number;
  /** How the seat's last worker ended; null if none has. */
  lastExit: LastExit | null;
}

/** The result of {@link PreforkMaster.stats}. */
export interface PreforkStats {
  /** The master's pid. */
  pid: number;
  /** What the master does. */
  state: 'running' | 'reloading' | 'stopping' | 'ended';
  /** How many reloads there were. */
  generation: number;
  /** The number of workers that the master keeps. */
  seats: number;
  /** The workers, and the seats without one. */
  workers: WorkerStats[];
}

/**
 * The message of `daemonkit:prefork:worker`, published in the master: a worker's new state.
 *
 * - `forked`: it starts with `onWorkerStart`.
 * - `ready`: it serves.
 * - `recycled`: it has reached a limit and will be replaced; `reason` is the option.
 * - `hung`: it has not answered for `silent` milliseconds in which it could have run, and gets
 *   `signal`.
 * - `leaving`: it is ending, by itself or because it was `asked` to.
 * - `ended`: it has ended; `exit` is what `onMasterReap` receives.
 */
export type PreforkWorkerMessage = {
  /** The worker's seat, from 1 to the number of workers. */
  id: number;
  /** The worker's pid. */
  pid: number;
  /** The process that publishes it: the worker's master. */
  master: number;
  /** How many reloads there had been when it was forked. */
  generation: number;
} & (
  | { event: 'forked' | 'ready' }
  | { event: 'recycled'; reason: RecycleReason }
  | { event: 'hung'; signal: SignalName; silent: number }
  | { event: 'leaving'; asked: boolean }
  | { event: 'ended'; exit: WorkerExit }
);

/**
 * The message of `daemonkit:prefork:master`: a master has started, begins or has finished a reload,
 * stops, or has ended.
 */
export interface PreforkMasterMessage {
  /** The process that publishes it. */
  pid: number;
  /** The master's new state. */
  state: 'running' | 'reloading' | 'stopping' | 'ended';
  /** How many reloads there were. */
  generation: number;
  /** The number of workers that the master keeps. */
  seats: number;
}
