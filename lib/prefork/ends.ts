// What prefork() reports about workers that ended or hang.
import type { SignalName } from '../system/signal-numbers.js';

/** The common properties of all ends of workers. */
interface Ended {
  /** The worker's seat, from 1 to the number of workers. Its successor has the same seat. */
  id: number;
  /** Its process id. The system may have reused it. */
  pid: number;
  /** How many reloads there had been when it was forked. */
  generation: number;
  /** Its exit code; null if a signal killed it, or other code has waited for it. */
  exitCode: number | null;
  /** The signal that killed it, or null. */
  signal: SignalName | null;
  /** Its resource usage; undefined if other code has waited for it. */
  rusage: NodeJS.ResourceUsage | undefined;
  /** Milliseconds from its fork to its end. */
  lived: number;
  /** Whether it was ready to serve. */
  ready: boolean;
  /** Whether the master had asked it to end, for example for a stop or a reload. */
  asked: boolean;
  /** Why the master asked it to end or killed it; null if it did neither. */
  reason: EndReason | null;
}

/** The limit that makes the master replace a healthy worker. */
export type RecycleReason = 'maxRequests' | 'maxAge' | 'maxMemory';

/**
 * Why a master ends a worker. `reload` also applies to a new worker of a failed reload. For `hang`
 * and `readyTimeout` the worker is killed; otherwise it is asked to end (and killed if it does
 * not).
 */
export type EndReason = 'stop' | 'reload' | 'scale' | RecycleReason | 'hang' | 'readyTimeout';

/** The worker has exited: `exitCode` is not null. */
export interface WorkerExited extends Ended {
  exitCode: number;
  signal: null;
  rusage: NodeJS.ResourceUsage;
}

/** A signal has ended the worker: `signal` is not null. */
export interface WorkerKilled extends Ended {
  exitCode: null;
  signal: SignalName;
  rusage: NodeJS.ResourceUsage;
}

/** Other code has waited for the worker, so its exit status is not known. */
export interface WorkerGone extends Ended {
  exitCode: null;
  signal: null;
  rusage: undefined;
}

/** The end of a worker, which `onMasterReap` receives. */
export type WorkerExit = WorkerExited | WorkerKilled | WorkerGone;

/** A worker that hangs, which `onMasterHang` receives. */
export interface HungWorker {
  /** The worker's seat, from 1 to the number of workers. */
  id: number;
  /** Its process id. */
  pid: number;
  /** How many reloads there had been when it was forked. */
  generation: number;
  /** For how many milliseconds it could have run but did not answer. */
  silent: number;
  /** The signal that it gets. */
  signal: SignalName;
}
