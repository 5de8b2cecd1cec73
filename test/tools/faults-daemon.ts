// Every system call of becomeDaemon() fails in turn, or kills whoever makes it: launcher, middle
// process and daemon.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from './faults-fork.js';
import { marked } from './marked.js';
import { stat } from './proc.js';
import { fixture } from './run.js';
import { attach, detach, errorOf, inject, type Place, places, sample } from './strace.js';

export type Role = 'launcher' | 'middle' | 'daemon';

const NOBODY = 65534;

async function until<T>(what: string, probe: () => T, milliseconds = 30_000) {
  for (const end = performance.now() + milliseconds; performance.now() < end; ) {
    const result = probe();
    if (result) return result as NonNullable<T>;
    await sleep(5);
  }
  throw new Error(`never came true: ${what}`);
}

/** One start of test/fixtures/born.ts. */
class Start {
  readonly directory = mkdtempSync(join(tmpdir(), 'daemonkit-'));
  readonly pidFile = join(this.directory, 'd.pid');
  readonly #mark = `DAEMONKIT_TEST=${randomUUID()}`;
  readonly #launcher: ChildProcess;
  readonly #closed: Promise<unknown>;
  #stderr = '';

  constructor(role: Role) {
    chownSync(this.directory, NOBODY, NOBODY);
    const [name = '', value] = this.#mark.split('=');
    const { NODE_TEST_CONTEXT: _, NODE_EXTRA_CA_CERTS: __, ...env } = process.env;
    this.#launcher = spawn(process.execPath, [fixture('born.js'), this.directory, role], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...env, [name]: value },
      // A group of its own, in which a stopped child of it is no orphan that gets a SIGHUP.
      detached: true,
    });
    this.#launcher.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.#closed = new Promise((resolve) => this.#launcher.on('close', resolve));
  }

  processes(): number[] {
    return marked(this.#mark);
  }

  /** Runs it under a tracer that attaches where the role stops itself. */
  async trace(options: string[]): Promise<void> {
    const halted = () => this.processes().find((pid) => /^[Tt]/.test(stat(pid)[0] ?? ''));
    const pid = await until('the role has stopped itself', halted);
    const strace = await attach(pid, ...options);
    try {
      process.kill(pid, 'SIGCONT');
      await Promise.race([this.#closed, sleep(60_000, undefined, { ref: false })]);
    } finally {
      await detach(strace);
    }
    await this.#closed;
  }

  /** What came of it; throws if anything is as it must not be. */
  async outcome(): Promise<Omit<Fault, 'place'>> {
    const { exitCode, signalCode } = this.#launcher;
    // A launcher that is killed when the daemon has said that it is ready takes nothing back.
    const late = signalCode !== null && (await this.#ended()) === false;
    if (exitCode === 0 || late) {
      assert.equal(this.#stderr, '');
      const pid = Number(readFileSync(this.pidFile, 'latin1'));
      assert.deepEqual(this.processes(), [pid], 'there is the daemon, and nothing else');
      process.kill(pid, 'SIGTERM');
      await until('the daemon has ended', () => this.processes().length === 0);
      assert.equal(existsSync(this.pidFile), false, 'it has removed its pidfile');
      return { result: 'tolerated', what: late ? 'a daemon, launcher killed' : 'a daemon' };
    }
    const what = signalCode ?? /^(\w*Error|daemonkit): .*$/m.exec(this.#stderr)?.[0];
    assert.ok(what, `exit code ${exitCode}, and not a word: ${this.#stderr}`);
    assert.ok(await this.#ended(), 'processes are left');
    // Who is killed cannot remove its pidfile, and who could not lock it must not; that stops nobody.
    if (signalCode !== null || /flock/.test(what)) assert.ok(this.#unlocked(), 'still locked');
    else assert.equal(existsSync(this.pidFile), false, `the pidfile is left: ${what}`);
    return { result: 'refused', what };
  }

  /** A daemon whose launcher was killed ends when it is ready; that is soon. */
  async #ended(): Promise<boolean> {
    for (let tries = 0; tries < 300; tries++) {
      if (this.processes().length === 0) return true;
      await sleep(20);
    }
    return false;
  }

  #unlocked(): boolean {
    if (!existsSync(this.pidFile)) return true;
    return spawnSync('flock', ['--nonblock', this.pidFile, 'true']).status === 0;
  }

  async end(): Promise<void> {
    for (const pid of this.processes()) process.kill(pid, 'SIGKILL');
    await this.#closed;
    await until('nothing is left', () => this.processes().length === 0);
    rmSync(this.directory, { recursive: true });
  }
}

/** The places of one undisturbed start, from where the role begins. */
export async function daemonPlaces(role: Role): Promise<Place[]> {
  const start = new Start(role);
  const folder = mkdtempSync(join(tmpdir(), 'daemonkit-'));
  try {
    await start.trace([`-o${folder}/trace`]);
    await start.outcome();
    return places(`${folder}/trace`);
  } finally {
    await start.end();
    rmSync(folder, { recursive: true });
  }
}

/** Makes one call fail, or kill. */
export async function daemonFault(role: Role, place: Place, kill: boolean): Promise<Fault> {
  const what = kill ? 'signal=KILL' : `error=${errorOf(place.call)}`;
  const name = `${place.call} ${place.when} ${what} from the ${role} on`;
  const start = new Start(role);
  try {
    await start.trace(inject(place.call, what, place.when));
    return { place: name, ...(await start.outcome()) };
  } catch (error) {
    return { place: name, result: 'harm', what: (error as Error).message };
  } finally {
    await start.end();
  }
}

/** Tries all places of all roles, at most so many of each call. */
export async function daemonFaults(most: number, kill: boolean): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const role of ['launcher', 'middle', 'daemon'] as const) {
    for (const place of sample(await daemonPlaces(role), most)) {
      faults.push(await daemonFault(role, place, kill));
    }
  }
  return faults;
}
