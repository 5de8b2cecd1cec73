// Checks the options of prefork() before anything happens.
import { Server } from 'node:net';
import { availableParallelism } from 'node:os';
import { invalidArgType, invalidArgValue } from '../../base/errors.js';
import { boolean, cString, func, integer, options, renamed } from '../../base/validate.js';
import { type Confinement, confinementOptions } from '../../privileges/confine.js';
import { isUnhandled } from '../../signal/inherited.js';
import {
  catchableSignal,
  type SignalName,
  signalList,
  signalName,
  signalNumber,
} from '../../system/signal-numbers.js';
import type { PreforkOptions, RespawnOptions, UpgradeProgram } from '../options.js';
import type { Rules } from '../state/state.js';
import { PROGRAM, upgradeProgram } from '../upgrade/program.js';
import { warmupOption } from '../warmup/warmup.js';
import { recycleRules } from '../watch/recycle.js';
import type { VitalsRules } from '../watch/vitals.js';
import { listeningPlan } from './listening.js';
import { scaleSignals, surgeOf, workerCount } from './scaling.js';

const KNOWN = [
  'workers',
  'listen',
  'balance',
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
  'hangTimeout',
  'hangSignal',
  'onMasterHang',
  'maxRequests',
  'maxAge',
  'maxMemory',
  'recycleJitter',
  'stopSignals',
  'reloadSignals',
  'upgradeSignals',
  'upgradeTimeout',
  'upgradeProgram',
  'reloadSurge',
  'scaleUpSignals',
  'scaleDownSignals',
  'threads',
  'reapOrphans',
  'title',
  'warmup',
  'user',
  'group',
  'chroot',
  'noNewPrivileges',
  'rlimits',
] as const satisfies readonly (keyof PreforkOptions)[];

const HOOKS = [
  'onWorkerStart',
  'onWorkerStop',
  'onMasterReap',
  'onMasterReload',
  'onMasterError',
  'onMasterHang',
] as const;

const MAX = Number.MAX_SAFE_INTEGER;

/** Only undefined means the default: null would hide a mistake. */
function orUsual(value: unknown, usual: unknown): unknown {
  return value === undefined ? usual : value;
}

function milliseconds(value: number | undefined, name: string, otherwise: number): number {
  return integer(orUsual(value, otherwise), `options.${name}`, 1, MAX);
}

function signals(value: unknown, name: string): SignalName[] {
  return signalList(value, name, catchableSignal, 0).map(signalName);
}

/** The signal, unless the program uses it for something else, such as reopening logs. */
function unlessTaken(signal: SignalName): SignalName[] {
  return isUnhandled(signalNumber(signal, 'signal')) ? [signal] : [];
}

/**
 * Signals that do not end a process, signal(7): the worker would hang until the SIGKILL that
 * follows.
 */
const HARMLESS = /^SIG(STOP|TSTP|TTIN|TTOU|CONT|CHLD|URG|WINCH)$/;

function hangSignal(value: unknown): SignalName {
  const name = signalName(signalNumber(orUsual(value, 'SIGKILL'), 'options.hangSignal'));
  if (!HARMLESS.test(name)) return name;
  throw invalidArgValue('options.hangSignal', value, 'does not end a process');
}

const ORDERS = [
  'stopSignals',
  'reloadSignals',
  'upgradeSignals',
  'scaleUpSignals',
  'scaleDownSignals',
] as const;

/** Gives each signal one meaning. The program's options have priority over the defaults. */
function orderSignals(given: Partial<PreforkOptions>) {
  const asked = new Map<SignalName, string>();
  for (const name of ORDERS) {
    if (given[name] === undefined) continue;
    for (const signal of signals(given[name], `options.${name}`)) {
      const other = asked.get(signal);
      if (other !== undefined) {
        throw invalidArgValue(`options.${name}`, signal, `is also in options.${other}`);
      }
      asked.set(signal, name);
    }
  }
  const list = (name: (typeof ORDERS)[number], usual: SignalName[]) =>
    given[name] === undefined
      ? usual.filter((signal) => !asked.has(signal))
      : signals(given[name], `options.${name}`);
  return {
    stopSignals: list('stopSignals', ['SIGTERM', 'SIGINT']),
    reloadSignals: list('reloadSignals', ['SIGHUP']),
    upgradeSignals: list('upgradeSignals', unlessTaken('SIGUSR2')),
    ...scaleSignals(given, [...asked.keys()]),
  };
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
    throw invalidArgType('options.listen', 'of type object, number or Array', undefined);
  }
  return server;
}

/** The number of workers, and whether the master may have threads. */
function seatsFor({ workers, threads }: Partial<PreforkOptions>) {
  const carried = boolean(orUsual(threads, false), 'options.threads') || workers === true;
  const count = workers === true || workers === undefined ? availableParallelism() : workers;
  return { seats: workerCount(count, 'options.workers'), threads: carried };
}

/** Names of callbacks before 0.2. */
const FORMER: Readonly<Record<string, (typeof HOOKS)[number]>> = {
  onWorker: 'onWorkerStart',
  onStop: 'onWorkerStop',
  onExit: 'onMasterReap',
  onReload: 'onMasterReload',
  onError: 'onMasterError',
};

/** The same, and a name whose value decides which of two options it means. */
function former(value: unknown): Readonly<Record<string, string>> {
  const { onHang } = (value ?? {}) as { onHang?: unknown };
  return { ...FORMER, onHang: typeof onHang === 'function' ? 'onMasterHang' : 'hangSignal' };
}

/** Checks the options of prefork() and adds the defaults. */
export function preforkPlan(value: unknown) {
  const given = options<PreforkOptions>(renamed(value, former(value)), KNOWN);
  for (const name of HOOKS) if (given[name] !== undefined) func(given[name], `options.${name}`);
  const { seats, threads } = seatsFor(given);
  return {
    rules: {
      ...respawnRules(given.respawn),
      seats,
      readyTimeout: milliseconds(given.readyTimeout, 'readyTimeout', 30_000),
      stopTimeout: milliseconds(given.stopTimeout, 'stopTimeout', 10_000),
    } satisfies Rules,
    fork: { workers: threads },
    reapOrphans: boolean(orUsual(given.reapOrphans, false), 'options.reapOrphans'),
    ...listeningPlan(given, seats),
    server: serverFor(given),
    onWorkerStart: given.onWorkerStart,
    onWorkerStop: given.onWorkerStop,
    onMasterReap: given.onMasterReap,
    onMasterReload: given.onMasterReload,
    onMasterError: given.onMasterError,
    onMasterHang: given.onMasterHang,
    vitals: {
      hangTimeout: integer(orUsual(given.hangTimeout, 60_000), 'options.hangTimeout', 0, MAX),
      recycle: recycleRules(given),
    } satisfies VitalsRules,
    hangSignal: hangSignal(given.hangSignal),
    idleTimeout: milliseconds(given.idleTimeout, 'idleTimeout', 500),
    ...orderSignals(given),
    reloadSurge: surgeOf(given.reloadSurge, 'options.reloadSurge'),
    privileges: confinementOptions(given, 'options'),
    upgrade: {
      timeout: milliseconds(given.upgradeTimeout, 'upgradeTimeout', 60_000),
      program: upgradeProgram(
        options<UpgradeProgram>(given.upgradeProgram, PROGRAM, 'options.upgradeProgram'),
        'options.upgradeProgram',
      ),
    },
    warmup: warmupOption(given.warmup),
    title: given.title === undefined ? undefined : cString(given.title, 'options.title'),
  };
}

export type PreforkPlan = ReturnType<typeof preforkPlan> & {
  /** The privileges that workers give up, after a check that this is possible. */
  confinement?: Confinement | undefined;
};
