// Every system call of prefork()'s master and workers fails in turn, or kills its process: while it
// starts, serves, reloads, ends.
import { setTimeout as sleep } from 'node:timers/promises';
import type { PreforkOptions } from 'daemonkit';
import type { Halt } from '../fixtures/master.js';
import { until } from './daemons.js';
import type { Fault } from './faults-fork.js';
import { Pool, WORKERS } from './faults-pool.js';
import { attach, attachMain, detach, type Place, sample } from './strace.js';
import { faultAt, placesOf, type Trial } from './traced.js';

/** The place of the fault: the traced process, the begin, the trigger, and the end. */
interface Phase {
  halt: Halt | '';
  /** Only the main thread of the master: its children are others' phases. */
  alone: boolean;
  /** Another program takes the master's place, or is to. */
  upgrades?: boolean;
  /** Of prefork(). */
  options?: Partial<PreforkOptions>;
  act: (pool: Pool, pid: number) => unknown;
}

const go = (_: Pool, pid: number) => process.kill(pid, 'SIGCONT');
const started = (pool: Pool) =>
  until('it starts', () => pool.settled(() => pool.events('ready').length > 0));
const reloaded = (pool: Pool) =>
  until('it reloads', () => pool.settled(() => pool.events('exit').length >= WORKERS));

export const phases = {
  'starting master': {
    halt: 'master',
    alone: true,
    act: (pool, pid) => {
      go(pool, pid);
      return started(pool);
    },
  },
  'starting master with queues': {
    halt: 'queues',
    alone: true,
    act: (pool, pid) => {
      go(pool, pid);
      return started(pool);
    },
  },
  'reloading master': {
    halt: '',
    alone: true,
    act: (pool, pid) => {
      process.kill(pid, 'SIGHUP');
      return reloaded(pool);
    },
  },
  'rolling master': {
    halt: '',
    alone: true,
    options: { reloadSurge: 1 },
    act: (pool, pid) => {
      process.kill(pid, 'SIGHUP');
      return reloaded(pool);
    },
  },
  'scaling master': {
    halt: '',
    alone: true,
    act: async (pool, pid) => {
      process.kill(pid, 'SIGTTIN');
      await until('one more', () => pool.gone || pool.workers().length > WORKERS);
      if (!pool.gone) process.kill(pid, 'SIGTTOU');
      // The one more may be one that could not be watched, and was killed for that.
      await until('told', () => pool.gone || pool.events('exit', 'error').length > 0);
      // An error may have been reported before: if strace(1) detaches when a signal arrives, such
      // as SIGTTOU, the signal may be lost.
      await until('one less', () => pool.gone || pool.workers().length === WORKERS);
    },
  },
  'respawning master': {
    halt: '',
    alone: true,
    act: async (pool) => {
      const [victim = 0] = pool.workers();
      process.kill(victim, 'SIGKILL');
      await until('told', () => pool.gone || pool.events('exit').length > 0);
      await until('filled', () => pool.gone || pool.workers().length === WORKERS);
    },
  },
  'master of a hung worker': {
    halt: '',
    alone: true,
    options: { hangTimeout: 300 },
    act: async (pool) => {
      // No answer comes if the call that fails is in the way of the request.
      const told = () => pool.gone || pool.events('exit').length > 0;
      while (!told() && Number.isNaN(await pool.ask('/spin')));
      await until('told', told);
      await until('filled', () => pool.gone || pool.workers().length === WORKERS);
    },
  },
  'recycling master': {
    halt: '',
    alone: true,
    options: { maxRequests: 30, recycleJitter: 0 },
    act: async (pool) => {
      while (!pool.gone && pool.events('exit').length === 0) await pool.ask();
      await until('filled', () => pool.gone || pool.workers().length === WORKERS);
    },
  },
  'ending master': {
    halt: '',
    alone: true,
    act: (pool, pid) => {
      process.kill(pid, 'SIGTERM');
      return Promise.race([pool.closed, sleep(10_000)]);
    },
  },
  'starting worker': {
    halt: 'worker',
    alone: false,
    act: (pool, pid) => {
      go(pool, pid);
      return started(pool);
    },
  },
  'serving worker': {
    halt: '',
    alone: false,
    act: async (pool, pid) => {
      const [exits, tries] = [pool.events('exit').length, 20];
      for (let i = 0; i < tries && pool.events('exit').length === exits; i++) {
        if ((await pool.ask()) === pid) break;
      }
    },
  },
  'starting worker of a reload': {
    halt: 'reloaded',
    alone: false,
    act: (pool, pid) => {
      go(pool, pid);
      return reloaded(pool);
    },
  },
  'starting worker of a rolling reload': {
    halt: 'reloaded',
    alone: false,
    options: { reloadSurge: 1 },
    act: (pool, pid) => {
      go(pool, pid);
      return reloaded(pool);
    },
  },
  // Its program does not exist: the master continues unchanged, whatever else fails.
  'master whose upgrade fails': {
    halt: '',
    alone: true,
    options: { upgradeProgram: { args: ['/nonexistent'] } },
    act: async (pool, pid) => {
      process.kill(pid, 'SIGUSR2');
      await until('it fails', () => pool.gone || pool.events('error').length > 0);
    },
  },
  'master that hands over': {
    halt: '',
    alone: true,
    upgrades: true,
    act: async (pool, pid) => {
      process.kill(pid, 'SIGUSR2');
      await until('it is decided', () => pool.decided);
    },
  },
  'master that takes over': {
    halt: 'successor',
    alone: true,
    upgrades: true,
    act: async (pool, pid) => {
      go(pool, pid);
      await until('it is decided', () => pool.decided);
    },
  },
  'ending worker': {
    halt: '',
    alone: false,
    act: async (pool, pid) => {
      process.kill(pid, 'SIGTERM');
      await until('it ends', () => pool.gone || pool.events('exit').some((e) => e.pid === pid));
    },
  },
} satisfies Record<string, Phase>;

export type PhaseName = keyof typeof phases;

/** Brings a pool to where the phase begins; gives the process to trace. */
async function begin(name: PhaseName, pool: Pool): Promise<number> {
  const { halt, alone } = phases[name] as Phase;
  if (['', 'reloaded', 'successor'].includes(halt)) await pool.ready();
  if (halt === 'reloaded') process.kill(pool.master, 'SIGHUP');
  if (halt === 'successor') process.kill(pool.master, 'SIGUSR2');
  if (halt !== '') return pool.halted();
  return alone ? pool.master : (pool.workers()[0] as number);
}

/** Runs a phase under a tracer. */
async function trace(name: PhaseName, pool: Pool, options: string[]): Promise<number> {
  const { alone, act } = phases[name] as Phase;
  const pid = await begin(name, pool);
  const strace = await (alone ? attachMain : attach)(pid, ...options);
  try {
    await act(pool, pid);
  } finally {
    await detach(strace);
  }
  return pid;
}

function trial(name: PhaseName): Trial {
  const { halt, options, upgrades } = phases[name] as Phase;
  const pool = new Pool(halt, options);
  return {
    traced: pool,
    trace: (options) => trace(name, pool, options),
    outcome: (at) => (upgrades ? pool.upgraded(at?.pid) : pool.outcome(at?.pid)),
  };
}

/** Makes one call fail, or kill. */
export function preforkFault(name: PhaseName, place: Place, kill: boolean): Promise<Fault> {
  return faultAt(trial(name), place, kill, `in the ${name}`);
}

/** Tries all places of these phases, at most so many of each call, to fail and to kill. */
export async function preforkFaults(
  most: number,
  names = Object.keys(phases) as PhaseName[],
): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const name of names) {
    for (const place of sample(await placesOf(trial(name)), most)) {
      for (const kill of [false, true]) faults.push(await preforkFault(name, place, kill));
    }
  }
  return faults;
}
