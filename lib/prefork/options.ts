// The options of prefork() and its master, and their reports about workers.
import type { Server } from 'node:net';
import type { Abortable } from '../base/abort.js';
import type { ListenOptions } from '../posix/listen.js';
import type { ConfinementOptions } from '../privileges/confine.js';
import type { Signal } from '../system/signal-numbers.js';
import type { HungWorker, WorkerExit } from './ends.js';
import type { PreforkWorker } from './worker/worker.js';

export type {
  EndReason,
  HungWorker,
  RecycleReason,
  WorkerExit,
  WorkerExited,
  WorkerGone,
  WorkerKilled,
} from './ends.js';

/** When a worker that has ended is replaced. */
export interface RespawnOptions {
  /**
   * A worker counts as failed if it ends before it was ready for so many milliseconds. Default:
   * 1000.
   */
  minUptime?: number | undefined;
  /**
   * Milliseconds to wait after the first failure. The time doubles after each further failure.
   * Default: 100.
   */
  delay?: number | undefined;
  /** The longest wait, in milliseconds. Default: 30000. */
  maxDelay?: number | undefined;
  /** The master stops after so many failures in a row. Default: no limit. */
  attempts?: number | undefined;
}

/** Options of {@link PreforkMaster.reload}. */
export interface ReloadOptions {
  /** Cancels the reload when it aborts, or ends the wait. Default: none. */
  signal?: AbortSignal | undefined;
  /** Replaces the option `reloadSurge`, which is the default. */
  surge?: number | undefined;
}

/**
 * Options of every master. `user`, `group`, `chroot`, `noNewPrivileges` and `rlimits` apply to the
 * workers, before `onWorkerStart`. The master keeps its own.
 */
interface Common extends ConfinementOptions {
  /**
   * The number of workers, 1 to 1024. Default: `os.availableParallelism()`. `true` means the
   * default number and `threads: true`.
   */
  workers?: number | true | undefined;
  /**
   * Which worker gets a connection. `shared`: all workers accept from one socket, and the first
   * worker that runs takes the connection. `reuseport`: each seat has its own socket on the port
   * (SO_REUSEPORT), which the master holds; the kernel distributes connections evenly over them,
   * and a connection waits for the worker of its socket. Only for TCP. Default: `shared`.
   * docs/prefork.md has the figures.
   */
  balance?: 'shared' | 'reuseport' | undefined;
  /**
   * Runs in a worker that ends, after its connections have ended. The worker awaits what it
   * returns.
   */
  onWorkerStop?: ((worker: PreforkWorker) => unknown) | undefined;
  /** Runs in the master when a worker has ended. `onMasterError` receives what it throws. */
  onMasterReap?: ((exit: WorkerExit) => void) | undefined;
  /**
   * Runs in the master before the workers of a reload are forked. The master awaits what it
   * returns, up to `readyTimeout`, and replaces workers that end as usual. An error ends the
   * reload.
   */
  onMasterReload?: (() => unknown) | undefined;
  /**
   * Runs in the master when a fork, a reload or another callback has failed. The master continues.
   * Default: `process.emitWarning()`, which also receives what this callback throws.
   */
  onMasterError?: ((error: Error) => void) | undefined;
  /** Whether and when to replace workers that have ended. Default: true. */
  respawn?: boolean | RespawnOptions | undefined;
  /** Milliseconds until a worker that is not ready is killed. Default: 30000. */
  readyTimeout?: number | undefined;
  /**
   * Milliseconds that a worker has to end after it is asked to. Then it exits at once. If it does
   * not, it is killed half a second later. Default: 10000.
   */
  stopTimeout?: number | undefined;
  /**
   * Milliseconds of silence after which an ending worker closes a kept-alive connection. Default:
   * 500.
   */
  idleTimeout?: number | undefined;
  /**
   * Milliseconds after which a worker that does not answer is killed with `hangSignal` and
   * replaced. Only time in which the worker could have run counts, not time in which it is stopped,
   * traced, inspected, or waits for a processor. Applies to workers that are ready; 0 means never.
   * Default: 60000.
   */
  hangTimeout?: number | undefined;
  /**
   * The signal for a worker that hangs, for example `SIGABRT` for a core(5) file. Signals that do
   * not end a process, such as SIGSTOP or SIGCHLD, are refused. Default: `SIGKILL`.
   */
  hangSignal?: Signal | undefined;
  /**
   * Runs in the master just before a worker that hangs gets `hangSignal`. `onMasterError` receives
   * what it throws.
   */
  onMasterHang?: ((worker: HungWorker) => void) | undefined;
  /**
   * Replaces a worker after so many requests. The old worker is asked to end when the new one is
   * ready; one worker is replaced at a time, and this does not count as a failure. Requests of
   * `server` and `worker.serve()` count. Default: no limit.
   */
  maxRequests?: number | undefined;
  /** Replaces a worker in the same way so many milliseconds after its fork. Default: no limit. */
  maxAge?: number | undefined;
  /**
   * Replaces a worker in the same way when it has so many bytes of private memory, from
   * smaps_rollup of proc_pid_smaps(5). This is not the resident set, which includes shared memory.
   * Default: no limit.
   */
  maxMemory?: number | undefined;
  /**
   * Reduces each worker's limits `maxRequests`, `maxAge` and `maxMemory` by a random fraction up to
   * this one, so that not all workers are replaced at once. From 0 to 1; default: 0.1.
   */
  recycleJitter?: number | undefined;
  /**
   * The signal or signals that stop the master; an empty array for none. Two of the five signal
   * options must not name the same signal; a signal named in one option loses its default meaning
   * in another. Default: SIGTERM and SIGINT.
   */
  stopSignals?: Signal | readonly Signal[] | undefined;
  /** The signal or signals that reload the workers; an empty array for none. Default: SIGHUP. */
  reloadSignals?: Signal | readonly Signal[] | undefined;
  /**
   * The signal or signals that start an upgrade; an empty array for none. Default: SIGUSR2, unless
   * the process already handles it (a listener, `reopenOn` of becomeDaemon()).
   */
  upgradeSignals?: Signal | readonly Signal[] | undefined;
  /**
   * Milliseconds until the new program of an upgrade is ended if it is not ready. Default: 60000.
   */
  upgradeTimeout?: number | undefined;
  /** How `upgrade()` starts the new program. Default: in the same way as this one was started. */
  upgradeProgram?: UpgradeProgram | undefined;
  /**
   * Makes reloads rolling: workers are replaced one after the other, with at most so many
   * additional workers at a time, 1 to 1024. Default: `Infinity`: all new workers start at once,
   * and take their seats only when all are ready.
   */
  reloadSurge?: number | undefined;
  /**
   * The signal or signals that add one worker; an empty array for none. Default: SIGTTIN; none if
   * the process has a controlling terminal, which sends this signal to a background job that reads.
   */
  scaleUpSignals?: Signal | readonly Signal[] | undefined;
  /**
   * The signal or signals that remove one worker; an empty array for none. Default: SIGTTOU; none
   * if the process has a controlling terminal, which sends this signal to a background job that
   * writes.
   */
  scaleDownSignals?: Signal | readonly Signal[] | undefined;
  /**
   * Fork although `Worker` threads run in the master, as with `workers` of {@link fork}. They
   * continue in each worker, in the middle of their work. Default: false, and prefork() throws.
   */
  threads?: boolean | undefined;
  /**
   * Make the master reap orphans, as process 1 and subreapers must: see {@link reapOrphans}.
   * Default: false.
   */
  reapOrphans?: boolean | undefined;
  /**
   * Prepare the master's memory before the first workers, and those of a reload, are forked, so
   * that more of it stays shared: flatten concatenated strings, collect garbage and compact the
   * heap. This blocks the master for about a second for each 100 MB of objects. `false` omits it. A
   * function runs in the master first. The master awaits what it returns, in a reload up to
   * `readyTimeout`. The function can do what a worker's first requests would do: load modules, read
   * loaded data, send requests to itself. An error ends the master or the reload. Default: true.
   */
  warmup?: boolean | (() => unknown) | undefined;
  /** The title in ps(1): `TITLE: master` and `TITLE: worker 1`. Default: unchanged. */
  title?: string | undefined;
}

/** Options for workers that serve `server`. */
export interface PreforkServerOptions extends Common {
  /**
   * Where to listen, or a descriptor of {@link listeningSocket}, which the caller keeps. With
   * `balance: 'reuseport'` also an array of descriptors, each with its own queue (`reusePort`);
   * then there must be at least as many workers.
   */
  listen: ListenOptions | number | readonly number[];
  /** The server that listens there in each worker. It must not be listening yet. */
  server: Server;
  /**
   * Runs in each worker. After its promise has resolved, `server` listens and the worker is ready.
   * An error ends the worker with code 1.
   */
  onWorkerStart?: ((worker: PreforkWorker) => unknown) | undefined;
}

/** Options for workers that run `onWorkerStart`. */
export interface PreforkProgramOptions extends Common {
  /**
   * Runs in each worker. After its promise has resolved, the worker is ready. An error ends the
   * worker with code 1.
   */
  onWorkerStart: (worker: PreforkWorker) => unknown;
  /** See {@link PreforkServerOptions}. */
  listen?: ListenOptions | number | readonly number[] | undefined;
  /** With {@link PreforkServerOptions} only. */
  server?: undefined;
}

/**
 * Options of {@link prefork}: `server` and `listen`, or `onWorkerStart`, or all three. Times are
 * from 1 to 2^53-1 milliseconds. A callback's name shows in which process it runs: `onWorker...` in
 * a worker, `onMaster...` in the master.
 */
export type PreforkOptions = PreforkServerOptions | PreforkProgramOptions;

/** How to start the new program of an upgrade. Default: in the same way as this one. */
export interface UpgradeProgram {
  /** The program's file, for example another Node. Default: `process.execPath`. */
  execPath?: string | undefined;
  /** Node's options, before the script. Default: those of this process. */
  execArgv?: readonly string[] | undefined;
  /**
   * The script and its arguments. Default: those given to this process. A relative path or a
   * symbolic link leads to its present target.
   */
  args?: readonly string[] | undefined;
  /**
   * The working directory. Default: the directory where this process was started, by the path in
   * PWD if that led to it. So a symbolic link `current` leads to the newest release.
   */
  cwd?: string | undefined;
  /**
   * Environment variables to set, or to remove if undefined. All others are as at the start of this
   * process. Default: none.
   */
  env?: Readonly<Record<string, string | undefined>> | undefined;
}

/** Options of `upgrade()`. */
export interface UpgradeOptions extends UpgradeProgram, Abortable {}
