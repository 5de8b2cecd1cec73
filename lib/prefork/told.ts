// What a master tells those who watch it: stats(), and the messages of its diagnostics channels.
import type { SignalName } from '../system/signal-numbers.js';
import type { EndReason, RecycleReason, WorkerExit } from './options.js';

/** The end of a seat's last worker. */
export interface LastExit {
  /** The worker's process id, which may be another's by now. */
  pid: number;
  /** Null if a signal killed it, or other code has waited for it. */
  exitCode: number | null;
  /** The signal that killed it, or null. */
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
  /** Its process id; null if the seat has no worker. */
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
  /** Bytes of memory that it does not share; null if they may not be seen. */
  privateBytes: number | null;
  /** The same, and its part of what it shares (proportional set size). */
  pss: number | null;
  /** How often its seat was filled again: each worker before it, except those that a reload has replaced. */
  restarts: number;
  /** How the seat's last worker has ended; null if none has. */
  lastExit: LastExit | null;
}

/** The result of {@link PreforkMaster.stats}. */
export interface PreforkStats {
  /** The master. */
  pid: number;
  /** What the master does. */
  state: 'running' | 'reloading' | 'stopping' | 'ended';
  /** How many reloads there were. */
  generation: number;
  /** The number of workers that the master keeps. */
  seats: number;
  /** Those that there are, and the seats without one. */
  workers: WorkerStats[];
}

/**
 * `daemonkit:prefork:worker`: what has become of a worker, in the master.
 *
 * - `forked`: it begins with `onWorkerStart`.
 * - `ready`: it serves.
 * - `recycled`: it has served long enough, and is to be replaced: `reason` says by which option.
 * - `hung`: it has not answered in `silent` milliseconds in which it could have run, and gets `signal`.
 * - `leaving`: it ends, by itself or as it was `asked` to.
 * - `ended`: it has ended; `exit` as `onMasterReap` gets it.
 */
export type PreforkWorkerMessage = {
  /** The worker's seat, from 1 to the number of workers. */
  id: number;
  /** The worker. */
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

/** `daemonkit:prefork:master`: a master has begun, reloads, has done so, stops, or has ended. */
export interface PreforkMasterMessage {
  /** The process that publishes it. */
  pid: number;
  /** What it does from now on. */
  state: 'running' | 'reloading' | 'stopping' | 'ended';
  /** How many reloads there were. */
  generation: number;
  /** The number of workers that it keeps. */
  seats: number;
}
