// What prefork() and its master may be told, and what they tell of workers.
import type { Server } from 'node:net';
import type { Abortable } from '../base/abort.js';
import type { ListenOptions } from '../posix/listen.js';
import type { ConfinementOptions } from '../privileges/confine.js';
import type { Signal, SignalName } from '../system/signal-numbers.js';
import type { PreforkWorker } from './worker/worker.js';

/** What all ends of workers have. */
interface Ended {
  /** The worker's seat, from 1 to the number of workers; its successor has the same. */
  id: number;
  /** Its process id, which may be another's by now. */
  pid: number;
  /** How many reloads there had been when it was forked. */
  generation: number;
  /** What it exited with; null if a signal killed it, or other code has waited for it. */
  exitCode: number | null;
  /** The signal that killed it, or null. */
  signal: SignalName | null;
  /** What it has used; undefined if other code has waited for it. */
  rusage: NodeJS.ResourceUsage | undefined;
  /** Milliseconds from its fork to its end. */
  lived: number;
  /** It was ready to serve. */
  ready: boolean;
  /** The master had asked it to end: a stop, a reload. */
  asked: boolean;
  /** Why the master has asked it to end, or killed it; null if it did neither. */
  reason: EndReason | null;
}

/** Why a worker is replaced though nothing is wrong with it. */
export type RecycleReason = 'maxRequests' | 'maxAge' | 'maxMemory';

/**
 * Why a master ends a worker. `reload` is also a new worker of a reload that has failed. `hang` and `readyTimeout` are
 * killed, the others asked to end (and killed if they do not).
 */
export type EndReason = 'stop' | 'reload' | 'scale' | RecycleReason | 'hang' | 'readyTimeout';

/** The worker has exited by itself: `exitCode` is no null. */
export interface WorkerExited extends Ended {
  exitCode: number;
  signal: null;
  rusage: NodeJS.ResourceUsage;
}

/** A signal has ended the worker: `signal` is no null. */
export interface WorkerKilled extends Ended {
  exitCode: null;
  signal: SignalName;
  rusage: NodeJS.ResourceUsage;
}

/** Other code has waited for the worker, so that it is not known how it has ended. */
export interface WorkerGone extends Ended {
  exitCode: null;
  signal: null;
  rusage: undefined;
}

/** The end of a worker, as `onMasterReap` gets it. */
export type WorkerExit = WorkerExited | WorkerKilled | WorkerGone;

/** A worker that hangs, as `onMasterHang` gets it. */
export interface HungWorker {
  /** The worker's seat, from 1 to the number of workers. */
  id: number;
  /** Its process id. */
  pid: number;
  /** How many reloads there had been when it was forked. */
  generation: number;
  /** For how many milliseconds it could have run, and did not answer. */
  silent: number;
  /** The signal that it gets. */
  signal: SignalName;
}

/** When a worker that has ended is replaced. */
export interface RespawnOptions {
  /**
   * A worker that has not been ready for so many milliseconds when it ends counts as failed.
   * Default: 1000.
   */
  minUptime?: number | undefined;
  /** Milliseconds to wait after the first failure; twice as long after each further one. Default: 100. */
  delay?: number | undefined;
  /** The longest wait, in milliseconds. Default: 30000. */
  maxDelay?: number | undefined;
  /** After so many failures in a row the master stops. Default: no limit. */
  attempts?: number | undefined;
}

/** Options of {@link PreforkMaster.reload}. */
export interface ReloadOptions {
  /** Takes the reload back when it aborts, or ends the wait. Default: none. */
  signal?: AbortSignal | undefined;
  /** As the option `reloadSurge`, which is the default. */
  surge?: number | undefined;
}

/**
 * Options of every master. `user`, `group`, `chroot`, `noNewPrivileges` and `rlimits` are for the
 * workers, before `onWorkerStart`; the master keeps what it has.
 */
interface Common extends ConfinementOptions {
  /**
   * How many workers, 1 to 1024. Default: `os.availableParallelism()`. `true` is the default number, and
   * `threads: true`.
   */
  workers?: number | true | undefined;
  /**
   * Which worker gets a connection. `shared`: all workers accept from one socket, and the first that runs takes it.
   * `reuseport`: each seat has a socket of its own on the port (SO_REUSEPORT), which the master holds; the
   * kernel spreads connections evenly over them, and a connection waits for the worker whose turn it is.
   * For TCP. Default: `shared`. docs/prefork.md has the figures.
   */
  balance?: 'shared' | 'reuseport' | undefined;
  /** Runs in a worker that ends, when its connections have ended; what it returns is awaited. */
  onWorkerStop?: ((worker: PreforkWorker) => unknown) | undefined;
  /** Runs in the master when it has waited for a worker that has ended. What it throws, `onMasterError` gets. */
  onMasterReap?: ((exit: WorkerExit) => void) | undefined;
  /**
   * Runs in the master before the workers of a reload are forked; what it returns is awaited for
   * `readyTimeout`, while workers that end are replaced as usual. An error ends the reload.
   */
  onMasterReload?: (() => unknown) | undefined;
  /**
   * Runs in the master when a fork, a reload or another callback has failed; the master goes on. Default:
   * `process.emitWarning()`, which also gets what this callback throws.
   */
  onMasterError?: ((error: Error) => void) | undefined;
  /** Whether and when to replace workers that have ended. Default: true. */
  respawn?: boolean | RespawnOptions | undefined;
  /** Milliseconds until a worker that is not ready is killed. Default: 30000. */
  readyTimeout?: number | undefined;
  /**
   * Milliseconds a worker has to end when asked to. Then it ends at once; if it does not do that
   * either it is killed half a second later. Default: 10000.
   */
  stopTimeout?: number | undefined;
  /** Milliseconds of silence until a worker that ends closes a kept-alive connection. Default: 500. */
  idleTimeout?: number | undefined;
  /**
   * Milliseconds after which a worker that does not answer is ended with `hangSignal` and replaced. Only time
   * in which it could have run counts: not while it is stopped, traced, inspected, or waits for a processor.
   * It holds for workers that are ready; 0 is never. Default: 60000.
   */
  hangTimeout?: number | undefined;
  /**
   * The signal for a worker that hangs: `SIGABRT` for a core(5) file. Not one that ends no process, such as SIGSTOP or
   * SIGCHLD. Default: `SIGKILL`.
   */
  hangSignal?: Signal | undefined;
  /** Runs in the master just before a worker that hangs gets `hangSignal`. What it throws, `onMasterError` gets. */
  onMasterHang?: ((worker: HungWorker) => void) | undefined;
  /**
   * A worker that was asked so many requests is replaced: the new one is ready before it is asked to end, one
   * after the other, and that is no failure. Counted are those of `server` and `worker.serve()`. Default: no
   * limit.
   */
  maxRequests?: number | undefined;
  /** The same after so many milliseconds since its fork. Default: no limit. */
  maxAge?: number | undefined;
  /**
   * The same when it has so many bytes of memory that it does not share, from smaps_rollup of
   * proc_pid_smaps(5); not the resident set, which has what it shares. Default: no limit.
   */
  maxMemory?: number | undefined;
  /**
   * By which part of `maxRequests`, `maxAge` and `maxMemory` a worker's own limit may be below that, at random:
   * not all workers are replaced at a time. From 0 to 1; default: 0.1.
   */
  recycleJitter?: number | undefined;
  /**
   * The signal or signals that stop the master; an empty array for none. A signal that one of the five options names
   * means nothing else; no two may name the same. Default: SIGTERM and SIGINT.
   */
  stopSignals?: Signal | readonly Signal[] | undefined;
  /** The signal or signals that make it reload; an empty array for none. Default: SIGHUP. */
  reloadSignals?: Signal | readonly Signal[] | undefined;
  /**
   * The signal or signals that make another program take this one's place; an empty array for none. Default:
   * SIGUSR2, unless the process handles that already (a listener, `reopenOn` of becomeDaemon()).
   */
  upgradeSignals?: Signal | readonly Signal[] | undefined;
  /** Milliseconds until a new program that is not ready is ended. Default: 60000. */
  upgradeTimeout?: number | undefined;
  /** How `upgrade()` starts the new program. Default: as this one was started. */
  upgradeProgram?: UpgradeProgram | undefined;
  /**
   * A reload replaces the workers one after the other, with so many more than `workers` at a time: 1 to 1024. Default:
   * `Infinity`, all new workers start at once, and none takes its seat unless all are ready.
   */
  reloadSurge?: number | undefined;
  /**
   * The signal or signals that mean one worker more; an empty array for none. Default: SIGTTIN, but none if the process
   * has a controlling terminal, which sends it to a job that reads in the background.
   */
  scaleUpSignals?: Signal | readonly Signal[] | undefined;
  /**
   * The signal or signals that mean one worker less; an empty array for none. Default: SIGTTOU, but none if the process
   * has a controlling terminal, which sends it to a job that writes in the background.
   */
  scaleDownSignals?: Signal | readonly Signal[] | undefined;
  /**
   * Fork although `Worker` threads run in the master: `workers` of {@link fork}. They go on in each worker,
   * in the middle of whatever they do. Default: false, prefork() then refuses.
   */
  threads?: boolean | undefined;
  /**
   * The master waits for orphans that come to it, as process 1 and subreapers have to: {@link reapOrphans}.
   * Default: false.
   */
  reapOrphans?: boolean | undefined;
  /**
   * What the master does before it forks the first workers, and those of a reload, such that the memory which
   * they share stays shared: it reads strings that were put together as a whole, collects garbage and
   * compacts the heap. That stops the master for about a second for each 100 MB of objects. `false` leaves
   * it out. A function runs in the master before that; what it returns is awaited, for `readyTimeout` in a
   * reload. It can do what a worker's first requests would do: load, read what is loaded, serve requests to
   * itself. An error ends the master or the reload. Default: true.
   */
  warmup?: boolean | (() => unknown) | undefined;
  /** What ps(1) shows: `TITLE: master` and `TITLE: worker 1`. Default: unchanged. */
  title?: string | undefined;
}

/** Workers that serve a server of the program's. */
export interface PreforkServerOptions extends Common {
  /**
   * Where to listen, or a descriptor of {@link listeningSocket}, which stays the caller's. With `balance:
   * 'reuseport'` also an array of them, a queue each (`reusePort`); there are as many workers at least.
   */
  listen: ListenOptions | number | readonly number[];
  /** The server that listens there in each worker. It must not listen yet. */
  server: Server;
  /**
   * Runs in each worker. When what this returns has resolved, `server` listens and the worker is ready. An
   * error ends the worker with code 1.
   */
  onWorkerStart?: ((worker: PreforkWorker) => unknown) | undefined;
}

/** Workers that do what the program says. */
export interface PreforkProgramOptions extends Common {
  /**
   * Runs in each worker. When what this returns has resolved, the worker is ready. An
   * error ends the worker with code 1.
   */
  onWorkerStart: (worker: PreforkWorker) => unknown;
  /** As in {@link PreforkServerOptions}. */
  listen?: ListenOptions | number | readonly number[] | undefined;
  /** With {@link PreforkServerOptions} only. */
  server?: undefined;
}

/**
 * Options of {@link prefork}: `server` and `listen`, or `onWorkerStart`, or all three. Times are from 1 to
 * 2^53-1 milliseconds. A callback's name says in which process it runs: `onWorker...` in a worker, `onMaster...` in
 * the master.
 */
export type PreforkOptions = PreforkServerOptions | PreforkProgramOptions;

/** How the program is started that takes this one's place. Default: as this one was. */
export interface UpgradeProgram {
  /** The program's file: another Node, say. Default: `process.execPath`. */
  execPath?: string | undefined;
  /** Options of Node's, before the script. Default: those of this process. */
  execArgv?: readonly string[] | undefined;
  /**
   * The script and its arguments. Default: as they were given to this process, so that a relative path and
   * a symbolic link lead to what is there now.
   */
  args?: readonly string[] | undefined;
  /**
   * The working directory. Default: the one that this process was started in, by the name in PWD if that
   * is a name of it: a symbolic link `current` leads to the newest release.
   */
  cwd?: string | undefined;
  /**
   * Variables to set in the environment, or with undefined to remove. The others are as they were when this
   * process was started. Default: none.
   */
  env?: Readonly<Record<string, string | undefined>> | undefined;
}

/** Options of `upgrade()`. */
export interface UpgradeOptions extends UpgradeProgram, Abortable {}
