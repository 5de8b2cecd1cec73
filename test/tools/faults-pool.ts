// A master and its workers, of which a call fails: what it has said, and what became of it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { PreforkOptions } from 'daemonkit';
import type { Halt } from '../fixtures/master.js';
import { until } from './daemons.js';
import type { Fault } from './faults-fork.js';
import { childrenOf, descriptors } from './proc.js';
import { Traced } from './traced.js';

interface Said {
  event: string;
  /** The process that says it. */
  by: number;
  port?: number;
  message?: string;
  pid?: number;
  exitCode?: number | null;
  signal?: string | null;
  asked?: boolean;
}

export const WORKERS = 2;

/** One start of test/fixtures/master.ts. */
export class Pool extends Traced {
  readonly #said: Said[] = [];
  readonly #socket = join(this.directory, 's');

  readonly #halt: Halt | '';
  /** The program that has taken the first one's place. */
  #heir: number | undefined;

  constructor(halt: Halt | '', options: Partial<PreforkOptions> = {}) {
    super('master.js', [halt, JSON.stringify(options)], 'pipe');
    this.#halt = halt;
    createInterface(this.first.stdout as NodeJS.ReadableStream).on('line', (line) => {
      this.#said.push(JSON.parse(line));
    });
  }

  get master(): number {
    return this.#heir ?? (this.first.pid as number);
  }

  get gone(): boolean {
    return this.first.exitCode !== null || this.first.signalCode !== null;
  }

  /**
   * The upgrade has failed and reported that; or the first program has ended, and another one is
   * ready, or none is left.
   */
  get decided(): boolean {
    if (!this.gone) return this.events('error').some(({ by }) => by === this.first.pid);
    const all = this.processes();
    return all.length === 0 || (this.events('ready').length === 2 && all.length === WORKERS + 1);
  }

  events(...names: string[]): Said[] {
    return this.#said.filter(({ event }) => names.includes(event));
  }

  /** The workers of this reload or start: complete, or reported as incomplete. */
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

  /** The outcome; throws if anything is wrong. `killed` is the process that the fault kills. */
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
    await this.#hasNoMore();
    process.kill(this.master, 'SIGTERM');
    await until('the end', () => this.gone);
    assert.equal((await this.#ending(false)).result, 'tolerated');
    const told = this.events('error', 'exit').filter(({ asked }) => !asked);
    const words = told.map(({ message, signal, exitCode }) => message ?? signal ?? `${exitCode}`);
    return { result: 'tolerated', what: [...new Set(words)].join('; ') || 'without effect' };
  }

  /** The same of a pool that was to be upgraded. */
  async upgraded(killed?: number): Promise<Omit<Fault, 'place'>> {
    const first = this.master;
    await until('one master, or none', () => this.decided);
    if (!this.gone) return this.outcome();
    this.#heir = this.processes().find((pid) => childrenOf(pid).length > 0);
    if (this.#heir === undefined) return this.#ending(killed === first);
    const aborted = killed === first ? undefined : this.#aborted();
    const { exitCode } = this.first;
    assert.ok(killed === first || aborted || exitCode === 0, `${exitCode}: ${this.stderr}`);
    assert.ok(this.workers().includes(await this.ask()), 'nobody answers');
    await this.#hasNoMore();
    process.kill(this.#heir, 'SIGTERM');
    assert.ok(await this.allEnded(), 'processes are left');
    await this.closed;
    assert.equal(existsSync(this.#socket), this.#unlinkTold, `the socket's file: ${this.stderr}`);
    if (aborted) return { result: 'aborted', what: aborted };
    return { result: 'tolerated', what: killed === first ? 'upgraded, killed' : 'upgraded' };
  }

  /** The master has its workers, and no descriptor that others have not. */
  async #hasNoMore(): Promise<void> {
    const queues = this.#halt === 'queues' ? WORKERS - 1 : 0;
    counted ??= countDescriptors();
    const fds = (await counted) + queues;
    const now = () => descriptorsOf(this.master);
    // One less for each worker that is looked at from time to time, where pidfd_open(2) is not permitted.
    await until(`${fds} descriptors again`, () => now().length <= fds).catch((error) => {
      throw new Error(`${error.message}: ${now().join(' ')}`);
    });
    // One that is just being recycled is still a child, and a zombie until the master reaps it.
    const family = () => `${childrenOf(this.master).toSorted()}`;
    await until('no other children', () => family() === `${this.workers().toSorted()}`).catch(
      (error) => {
        throw new Error(`${error.message}: ${family()}, the workers ${this.workers()}`);
      },
    );
  }

  get #unlinkTold(): boolean {
    return this.events('error').some(({ message }) => /unlink|lstat/.test(message ?? ''));
  }

  /** Whether the runtime gave up. Then the socket's file is left, as by a killed master. */
  #aborted(): string | undefined {
    const { exitCode, signalCode } = this.first;
    if (exitCode === 0) return undefined;
    const why = /^.*(?:Assertion|Check) failed.*$/m.exec(this.stderr)?.[0].trim();
    if (/^SIG(ABRT|TRAP|SEGV)$/.test(`${signalCode}`)) return why ?? `${signalCode}`;
    // For a flag's own pipe, on which read(2) does not fail: uncaught, because no code could catch
    // it.
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
    const told = this.#unlinkTold;
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

/**
 * What a master has open of its own: neither what whoever started the tests has left open, which an upgrade
 * does not hand on, nor the /dev/null of libuv, opened with a loop's first stream (uv__stream_init()), which
 * is that of the upgrade in a master that has taken over.
 */
function descriptorsOf(pid: number): string[] {
  const inherited = descriptors('self');
  return Object.entries(descriptors(pid)).flatMap(([fd, target]) => {
    const foreign = Number(fd) > 2 && (target === '/dev/null' || inherited[Number(fd)] === target);
    return foreign && !target.startsWith('anon_inode:') ? [] : [target];
  });
}

/** The descriptors that a master has when all is well. */
async function countDescriptors(): Promise<number> {
  const pool = new Pool('');
  try {
    await pool.ready();
    return descriptorsOf(pool.master).length;
  } finally {
    await pool.end();
  }
}

let counted: Promise<number> | undefined;
