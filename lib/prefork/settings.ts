// What prefork() may be told, checked before anything happens.
import { Server } from 'node:net';
import { availableParallelism } from 'node:os';
import { invalidArgType, invalidArgValue } from '../base/errors.js';
import { boolean, fileDescriptor, func, integer, options, string } from '../base/validate.js';
import { BACKLOG, type ListenOptions, type ListenPlan, listenPlan } from '../posix/listen.js';
import {
  catchableSignal,
  type Signal,
  type SignalName,
  signalList,
  signalName,
} from '../system/signal-numbers.js';
import type { Rules } from './state.js';
import type { PreforkWorker } from './worker.js';

/** What is told of each worker that has ended. */
interface Ended {
  /** The worker's seat, from 1 to the number of workers; its successor has the same. */
  id: number;
  /** Its process id, which may be another's by now. */
  pid: number;
  /** How many reloads there had been when it was forked. */
  generation: number;
  /** What it exited with; null if a signal killed it, or somebody else has waited for it. */
  exitCode: number | null;
  /** The signal that killed it, or null. */
  signal: SignalName | null;
  /** What it has used; undefined if somebody else has waited for it. */
  rusage: NodeJS.ResourceUsage | undefined;
  /** Milliseconds from its fork to its end. */
  lived: number;
  /** It was ready to serve. */
  ready: boolean;
  /** The master had asked it to end: a stop, a reload. */
  asked: boolean;
}

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

/** Somebody else has waited for the worker, so that it is not known how it has ended. */
export interface WorkerGone extends Ended {
  exitCode: null;
  signal: null;
  rusage: undefined;
}

/** The end of a worker, as `onMasterReap` is told. */
export type WorkerExit = WorkerExited | WorkerKilled | WorkerGone;

/** When a worker that has ended is replaced. */
export interface RespawnOptions {
  /**
   * A worker that has not been ready for so many milliseconds when it ends counts as failed.
   * Default: 1000.
   */
  minUptime?: number;
  /** Milliseconds to wait after the first failure; twice as long after each further one. Default: 100. */
  delay?: number;
  /** The longest wait, in milliseconds. Default: 30000. */
  maxDelay?: number;
  /** After so many failures in a row the master stops. Default: no limit. */
  attempts?: number;
}

/**
 * What {@link prefork} may be told. Times are from 1 to 2^53-1 milliseconds. A callback's name says in which
 * process it runs: `onWorker...` in a worker, `onMaster...` in the master.
 */
export interface PreforkOptions {
  /**
   * How many workers, 1 to 1024. Default: `os.availableParallelism()`. `true` is the default number, and
   * `threads: true`.
   */
  workers?: number | true;
  /** Where to listen, or a descriptor of {@link listeningSocket}, which stays the caller's. */
  listen?: ListenOptions | number;
  /** The server that each worker shall let listen there. It must not listen yet. */
  server?: Server;
  /**
   * Runs in each worker. When what this returns has resolved, `server` listens and the worker is ready. An
   * error ends the worker with code 1.
   */
  onWorkerStart?: (worker: PreforkWorker) => unknown;
  /** Runs in a worker that ends, when its connections have ended; what it returns is awaited. */
  onWorkerStop?: (worker: PreforkWorker) => unknown;
  /** Runs in the master when it has waited for a worker that has ended. What it throws, `onMasterError` gets. */
  onMasterReap?: (exit: WorkerExit) => void;
  /**
   * Runs in the master before the workers of a reload are forked; what it returns is awaited for
   * `readyTimeout`, while workers that end are replaced as ever. An error ends the reload.
   */
  onMasterReload?: () => unknown;
  /**
   * Runs in the master when a fork, a reload or another callback has failed; the master goes on. Default:
   * `process.emitWarning()`, which also gets what this callback throws.
   */
  onMasterError?: (error: Error) => void;
  /** Whether and when to replace workers that have ended. Default: true. */
  respawn?: boolean | RespawnOptions;
  /** Milliseconds until a worker that is not ready is killed. Default: 30000. */
  readyTimeout?: number;
  /**
   * Milliseconds a worker has to end when asked to. Then it ends at once; if it does not do that
   * either it is killed half a second later. Default: 10000.
   */
  stopTimeout?: number;
  /** Milliseconds of silence until a worker that ends closes a kept-alive connection. Default: 500. */
  idleTimeout?: number;
  /** The signal or signals that stop the master; an empty array for none. Default: SIGTERM and SIGINT. */
  stopSignals?: Signal | readonly Signal[] | undefined;
  /** The signal or signals that make it reload; an empty array for none. Default: SIGHUP. */
  reloadSignals?: Signal | readonly Signal[] | undefined;
  /**
   * Fork although `Worker` threads run in the master: `workers` of {@link fork}. They go on in each worker,
   * in the middle of whatever they do. Default: false, prefork() then refuses.
   */
  threads?: boolean;
  /**
   * The master waits for orphans that come to it, as process 1 and subreapers have to: {@link reapOrphans}.
   * Default: false.
   */
  reapOrphans?: boolean;
  /** What ps(1) shows: `TITLE: master` and `TITLE: worker 1`. Default: unchanged. */
  title?: string;
}

const KNOWN = [
  'workers',
  'listen',
  'server',
  'onWorkerStart',
  'onWorkerStop',
  'onMasterReap',
  'onMasterReload',
  'onMasterError',
  'respawn',
  'readyTimeout',
  'stopTimeout',
  'idleTimeout',
  'stopSignals',
  'reloadSignals',
  'threads',
  'reapOrphans',
  'title',
] as const satisfies readonly (keyof PreforkOptions)[];

const HOOKS = [
  'onWorkerStart',
  'onWorkerStop',
  'onMasterReap',
  'onMasterReload',
  'onMasterError',
] as const;

function milliseconds(value: number | undefined, name: string, otherwise: number): number {
  return integer(value ?? otherwise, `options.${name}`, 1, Number.MAX_SAFE_INTEGER);
}

function signals(value: unknown, name: string): SignalName[] {
  return signalList(value, name, catchableSignal, 0).map(signalName);
}

function respawnRules(value: unknown) {
  if (value !== undefined && typeof value !== 'object') {
    boolean(value, 'options.respawn', ' or object');
  }
  const known = ['minUptime', 'delay', 'maxDelay', 'attempts'] as const;
  const given =
    typeof value === 'boolean' ? {} : options<RespawnOptions>(value, known, 'options.respawn');
  const { attempts = Number.POSITIVE_INFINITY } = given;
  return {
    replace: value !== false,
    minUptime: milliseconds(given.minUptime, 'respawn.minUptime', 1000),
    delay: milliseconds(given.delay, 'respawn.delay', 100),
    maxDelay: milliseconds(given.maxDelay, 'respawn.maxDelay', 30_000),
    attempts:
      attempts === Number.POSITIVE_INFINITY
        ? attempts
        : integer(attempts, 'options.respawn.attempts', 1),
  };
}

function serverFor(given: Partial<PreforkOptions>): Server | undefined {
  const { server, listen, onWorkerStart } = given;
  if (server === undefined) {
    if (onWorkerStart !== undefined) return undefined;
    throw invalidArgValue('options', given, 'must have server or onWorkerStart: give one of them');
  }
  if (!(server instanceof Server)) {
    throw invalidArgType('options.server', 'an instance of net.Server', server);
  }
  const taken = 'must not listen yet, or the master would accept connections';
  if (server.listening) throw invalidArgValue('options.server', server, taken);
  if (listen === undefined) {
    throw invalidArgType('options.listen', 'of type object or number', undefined);
  }
  return server;
}

function listenFor(value: unknown): ListenPlan | number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number') return fileDescriptor(value, 'options.listen');
  if (typeof value !== 'object') {
    throw invalidArgType('options.listen', 'of type object or number', value);
  }
  return listenPlan(value, 'options.listen');
}

/** How many workers, and whether threads of the master are no obstacle. */
function seatsFor({ workers, threads }: Partial<PreforkOptions>) {
  const carried = boolean(threads ?? false, 'options.threads') || workers === true;
  const count = workers === true || workers === undefined ? availableParallelism() : workers;
  return { seats: integer(count, 'options.workers', 1, 1024), threads: carried };
}

/** What the callbacks were called before 0.2: still taken, but no type has them. */
const FORMER: Readonly<Record<string, (typeof HOOKS)[number]>> = {
  onWorker: 'onWorkerStart',
  onStop: 'onWorkerStop',
  onExit: 'onMasterReap',
  onReload: 'onMasterReload',
  onError: 'onMasterError',
};

function renamed(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  if (!Object.keys(FORMER).some((name) => Object.hasOwn(value, name))) return value;
  const entries = Object.entries(value).map(([name, option]) => {
    const now = Object.hasOwn(FORMER, name) ? FORMER[name] : undefined;
    if (now === undefined || !Object.hasOwn(value, now)) return [now ?? name, option];
    throw invalidArgValue(`options.${name}`, option, `is ${now} now, which is given too`);
  });
  return Object.fromEntries(entries);
}

/** Checks what prefork() was given, and makes it complete. */
export function preforkPlan(value: unknown) {
  const given = options<PreforkOptions>(renamed(value), KNOWN);
  for (const name of HOOKS) if (given[name] !== undefined) func(given[name], `options.${name}`);
  const listen = listenFor(given.listen);
  const { seats, threads } = seatsFor(given);
  return {
    rules: {
      ...respawnRules(given.respawn),
      seats,
      readyTimeout: milliseconds(given.readyTimeout, 'readyTimeout', 30_000),
      stopTimeout: milliseconds(given.stopTimeout, 'stopTimeout', 10_000),
    } satisfies Rules,
    fork: { workers: threads },
    reapOrphans: boolean(given.reapOrphans ?? false, 'options.reapOrphans'),
    listen,
    backlog: typeof listen === 'object' ? listen.backlog : BACKLOG,
    server: serverFor(given),
    onWorkerStart: given.onWorkerStart,
    onWorkerStop: given.onWorkerStop,
    onMasterReap: given.onMasterReap,
    onMasterReload: given.onMasterReload,
    onMasterError: given.onMasterError,
    idleTimeout: milliseconds(given.idleTimeout, 'idleTimeout', 500),
    stopSignals: signals(given.stopSignals ?? ['SIGTERM', 'SIGINT'], 'options.stopSignals'),
    reloadSignals: signals(given.reloadSignals ?? ['SIGHUP'], 'options.reloadSignals'),
    title: given.title === undefined ? undefined : string(given.title, 'options.title'),
  };
}

export type PreforkPlan = ReturnType<typeof preforkPlan>;
