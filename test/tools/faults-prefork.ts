// Every system call of prefork()'s master and workers fails in turn, or kills whoever makes it: while it
// starts, serves, reloads, ends.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PreforkOptions } from 'daemonkit';
import type { Halt } from '../fixtures/master.js';
import { until } from './daemons.js';
import type { Fault } from './faults-fork.js';
import { childrenOf, descriptors } from './proc.js';
import { attach, attachMain, detach, type Place, sample } from './strace.js';
import { faultAt, placesOf, Traced, type Trial } from './traced.js';

interface Said {
  event: string;
  port?: number;
  message?: string;
  pid?: number;
  exitCode?: number | null;
  signal?: string | null;
  asked?: boolean;
}

const WORKERS = 2;

/** One start of test/fixtures/master.ts. */
class Pool extends Traced {
  readonly #said: Said[] = [];
  readonly #socket = join(this.directory, 's');

  readonly #halt: Halt | '';

  constructor(halt: Halt | '', options: Phase['options'] = {}) {
    super('master.js', [halt, JSON.stringify(options)], 'pipe');
    this.#halt = halt;
    createInterface(this.first.stdout as NodeJS.ReadableStream).on('line', (line) => {
      this.#said.push(JSON.parse(line));
    });
  }

  get master(): number {
    return this.first.pid as number;
  }

  get gone(): boolean {
    return this.first.exitCode !== null || this.first.signalCode !== null;
  }

  events(...names: string[]): Said[] {
    return this.#said.filter(({ event }) => names.includes(event));
  }

  /** The workers that came by this reload or start: whole, or told that they are not. */
  settled(ready: () => boolean): boolean {
    const unasked = this.events('exit').some(({ asked }) => !asked);
    return this.gone || ready() || unasked || this.events('error', 'not ready').length > 0;
  }

  /** Waits for all workers to be ready for the first time. */
  async ready(): Promise<void> {
    await until('ready', () => this.gone || this.events('ready').length > 0);
  }

  workers(): number[] {
    return this.processes().filter((pid) => pid !== this.master);
  }

  /** The pid of the worker that answers; NaN if none does in time. */
  async ask(path = '/'): Promise<number> {
    const port = this.events('listening')[0]?.port ?? 0;
    const where = port === 0 ? { socketPath: this.#socket } : { host: '127.0.0.1', port };
    const request = get({ ...where, path, agent: false, timeout: 2000 });
    request.on('timeout', () => request.destroy(new Error('late')));
    try {
      const [response] = await once(request, 'response');
      let text = '';
      for await (const chunk of response) text += chunk;
      return Number(text);
    } catch {
      return Number.NaN;
    }
  }

  /** What became of it; throws if anything is as it must not be. `killed` is who was to be killed. */
  async outcome(killed?: number): Promise<Omit<Fault, 'place'>> {
    if (this.gone) return this.#ending(killed === this.master);
    if (killed !== undefined && killed !== this.master) {
      const told = () => this.events('exit').some(({ pid }) => pid === killed);
      await until('the master tells', () => told() || this.workers().includes(killed));
    }
    await until('all workers are there', () => this.workers().length === WORKERS || this.gone);
    if (this.gone) return this.#ending(false);
    const answers = async () => this.workers().includes(await this.ask());
    for (let tries = 0; !(await answers()); tries++) assert.ok(tries < 10, 'nobody answers');
    const queues = this.#halt === 'queues' ? WORKERS - 1 : 0;
    counted ??= countDescriptors();
    const fds = (await counted) + queues;
    const now = () => Object.keys(descriptors(this.master)).length;
    // One less for each worker that is looked at from time to time, where pidfd_open(2) is not permitted.
    await until(`${fds} descriptors again`, () => now() <= fds, 5000);
    assert.deepEqual(childrenOf(this.master).toSorted(), this.workers().toSorted());
    process.kill(this.master, 'SIGTERM');
    await until('the end', () => this.gone);
    assert.equal((await this.#ending(false)).result, 'tolerated');
    const told = this.events('error', 'exit').filter(({ asked }) => !asked);
    const words = told.map(({ message, signal, exitCode }) => message ?? signal ?? `${exitCode}`);
    return { result: 'tolerated', what: [...new Set(words)].join('; ') || 'without effect' };
  }

  /** Whether the runtime gave up. Then the socket's file is left, as by a killed master. */
  #aborted(): string | undefined {
    const { exitCode, signalCode } = this.first;
    if (exitCode === 0) return undefined;
    const why = /^.*(?:Assertion|Check) failed.*$/m.exec(this.stderr)?.[0].trim();
    if (/^SIG(ABRT|TRAP|SEGV)$/.test(`${signalCode}`)) return why ?? `${signalCode}`;
    // Of a flag's own pipe, which read(2) does not fail on: uncaught, as nobody would hear it.
    return /SignalRecords\.pull/.test(this.stderr) ? 'EIO of a signal flag, uncaught' : undefined;
  }

  /** The master has ended; nothing may be left of it. */
  async #ending(killed: boolean): Promise<Omit<Fault, 'place'>> {
    const { exitCode, signalCode } = this.first;
    assert.ok(await this.allEnded(), 'processes are left');
    await this.closed;
    if (killed && signalCode === 'SIGKILL') return { result: 'refused', what: 'killed' };
    const aborted = this.#aborted();
    if (aborted) return { result: 'aborted', what: aborted };
    const told = this.events('error').some(({ message }) => /unlink|lstat/.test(message ?? ''));
    assert.equal(existsSync(this.#socket), told, `the socket's file is left: ${this.stderr}`);
    if (exitCode === 0) {
      assert.equal(this.events('finished').length, 1);
      return { result: 'tolerated', what: told ? 'ended, unlink told' : 'ended' };
    }
    const what = /^\w*Error: .*$/m.exec(this.stderr)?.[0];
    assert.ok(what && signalCode === null, `${signalCode ?? exitCode}: ${this.stderr}`);
    return { result: 'refused', what };
  }
}

/** Where the fault is to come: who is traced from when on, what makes it act, and until when. */
interface Phase {
  halt: Halt | '';
  /** Only the main thread of the master: its children are others' phases. */
  alone: boolean;
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
      const told = () => pool.gone || pool.events('exit').length > 0;
      // On a crowded machine it may be over before the master looks again, whose first kill(2) has failed.
      for (let tries = 0; !told() && tries < 10; tries++) {
        await pool.ask('/spin');
        await until('told', told, 5000).catch(() => {});
      }
      assert.ok(told(), 'never told');
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
  // Its program is not there: whatever fails besides, the master goes on with what it had.
  'master whose upgrade fails': {
    halt: '',
    alone: true,
    options: { upgradeProgram: { args: ['/nonexistent'] } },
    act: async (pool, pid) => {
      process.kill(pid, 'SIGUSR2');
      await until('it fails', () => pool.gone || pool.events('error').length > 0);
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
  if (halt === '' || halt === 'reloaded') await pool.ready();
  if (halt === 'reloaded') process.kill(pool.master, 'SIGHUP');
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

/** The descriptors that a master has when all is well. */
async function countDescriptors(): Promise<number> {
  const pool = new Pool('');
  try {
    await pool.ready();
    return Object.keys(descriptors(pool.master)).length;
  } finally {
    await pool.end();
  }
}

let counted: Promise<number> | undefined;

function trial(name: PhaseName): Trial {
  const { halt, options } = phases[name] as Phase;
  const pool = new Pool(halt, options);
  return {
    traced: pool,
    trace: (options) => trace(name, pool, options),
    outcome: (at) => pool.outcome(at?.pid),
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
