// One daemon of npm run soak: the actions on it, and the reports of its clients and the kernel.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { until } from './daemons.js';
import { cleanEnvironment } from './environment.js';
import { marked } from './marked.js';
import type { NodeLine } from './nodes.js';
import { freePort } from './port.js';
import { childrenOf, descriptors, hasEnded, killIfThere, residentKiB, stat } from './proc.js';
import { fixture } from './run.js';
import type { Failed, Sum } from './soak-load.js';
import { hangHttp1, hangHttp2, isOf, type Victim } from './soak-victims.js';

export type Protocol = 'http1' | 'http2';

/** What is done to a daemon, again and again. */
export const ACTIONS = [
  'reload',
  'up',
  'down',
  'kill',
  'hang',
  'upgrade',
  'broken upgrade',
] as const;
export type Action = (typeof ACTIONS)[number];

/** What a master needs, while nothing is done to it. */
export interface Sample {
  pid: number;
  at: number;
  /** Resident memory: what of it is private depends on how many workers still share it. */
  residentKiB: number;
  descriptors: number;
}

export interface SoakResult {
  node: string;
  protocol: Protocol;
  requests: Sum['requests'];
  workers: number;
  actions: Record<Action, number>;
  /** Requests of workers that were killed. */
  excused: number;
  failures: string[];
  /** Ends of workers by what the master says of them. */
  ends: Record<string, number>;
  samples: Sample[];
}

const LOAD = fileURLToPath(new URL('./soak-load.js', import.meta.url));
const SEATS = 3;
const PATIENCE_MS = 180_000;

export class Soak {
  readonly result: SoakResult;
  readonly #directory = mkdtempSync(join(tmpdir(), 'daemonkit-soak-'));
  readonly #mark = `DAEMONKIT_TEST=${randomUUID()}`;
  readonly #node: NodeLine;
  readonly #protocol: Protocol;
  readonly #random: () => number;
  readonly #victims: Victim[] = [];
  readonly #failed: Failed[] = [];
  #port = 0;
  #seats = SEATS;
  #sum: Sum | undefined;
  #load: ChildProcess | undefined;

  constructor(
    node: NodeLine,
    protocol: Protocol,
    random: () => number,
    private readonly repertory: readonly Action[],
  ) {
    this.#node = node;
    this.#protocol = protocol;
    this.#random = random;
    const actions = Object.fromEntries(ACTIONS.map((name) => [name, 0])) as Record<Action, number>;
    this.result = {
      ...{ node: node.version, protocol, actions, failures: [], samples: [], ends: {} },
      ...{ requests: { 'kept alive': 0, fresh: 0, http2: 0 }, workers: 0, excused: 0 },
    };
  }

  /** Runs for some minutes; there are upgrades in the first half only, so that one master becomes old. */
  async run(minutes: number): Promise<SoakResult> {
    const begun = Date.now();
    const length = minutes * 60_000;
    try {
      await this.#start();
      while (Date.now() < begun + length) {
        await this.#act(Date.now() < begun + length / 2);
        await this.#rest();
      }
      await this.#stop();
      this.#judge();
    } catch (error) {
      this.result.failures.push(`${(error as Error).message}\n${this.#tail()}`);
    } finally {
      await this.#sweep();
    }
    return this.result;
  }

  get #master(): number {
    return Number(readFileSync(join(this.#directory, 'pid'), 'latin1'));
  }

  /** Workers that are no zombies. */
  get #workers(): number[] {
    return childrenOf(this.#master).filter((pid) => stat(pid)[0] !== 'Z');
  }

  async #start(): Promise<void> {
    this.#port = await freePort();
    const args = [fixture('soak.js'), this.#directory, `${this.#port}`, this.#protocol];
    const [name = '', mark] = this.#mark.split('=');
    const options = { env: cleanEnvironment({ [name]: mark }), encoding: 'utf8' } as const;
    const { status, stderr } = spawnSync(this.#node.path, args, options);
    assert.equal(status, 0, stderr);
    const clients = this.#protocol === 'http2' ? '6' : '12';
    const load = spawn(process.execPath, [LOAD, `${this.#port}`, this.#protocol, clients], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#load = load;
    createInterface(load.stdout).on('line', (line) => {
      const said = JSON.parse(line) as Failed | Sum;
      if ('code' in said) this.#failed.push(said);
      else this.#sum = said;
    });
  }

  async #act(upgrades: boolean): Promise<void> {
    const possible = this.repertory.filter((name) => upgrades || !name.includes('upgrade'));
    const action = possible[Math.floor(this.#random() * possible.length)] as Action;
    this.result.actions[action]++;
    if (action === 'reload') await this.#reload();
    else if (action === 'up' || action === 'down') await this.#scale(action === 'up' ? 1 : -1);
    else if (action === 'kill') await this.#kill();
    else if (action === 'hang') await this.#hang();
    else await this.#upgrade(action === 'broken upgrade');
  }

  async #reload(): Promise<void> {
    const before = this.#workers;
    process.kill(this.#master, 'SIGHUP');
    await this.#settled('a reload', () => before.every((pid) => hasEnded(pid)));
  }

  async #scale(by: number): Promise<void> {
    if (this.#seats + by < 2 || this.#seats + by > 5) return;
    this.#seats += by;
    process.kill(this.#master, by > 0 ? 'SIGTTIN' : 'SIGTTOU');
    await this.#settled(`scaling to ${this.#seats}`);
  }

  async #kill(): Promise<void> {
    const [pid] = this.#workers.toSorted(() => this.#random() - 0.5);
    if (pid === undefined) return;
    const victim = this.#victim(pid);
    killIfThere(pid);
    await this.#gone(victim);
  }

  async #hang(): Promise<void> {
    const pid = await (this.#protocol === 'http2' ? hangHttp2 : hangHttp1)(this.#port);
    await this.#gone(this.#victim(pid));
  }

  async #upgrade(broken: boolean): Promise<void> {
    const before = this.#master;
    const marker = join(this.#directory, 'broken');
    if (broken) writeFileSync(marker, '');
    const errors = this.#events('error').length;
    process.kill(before, 'SIGUSR2');
    if (!broken) {
      await until('the upgrade', () => this.#master !== before && hasEnded(before), PATIENCE_MS);
      // The new program begins with what its options say.
      this.#seats = SEATS;
    } else {
      await until('the failed upgrade', () => this.#events('error').length > errors, PATIENCE_MS);
      rmSync(marker);
      assert.equal(this.#master, before, 'a failed upgrade has changed the master');
    }
    await this.#settled(broken ? 'a failed upgrade' : 'an upgrade');
  }

  #victim(pid: number): Victim {
    const victim = { pid, from: Date.now(), to: Number.POSITIVE_INFINITY };
    this.#victims.push(victim);
    return victim;
  }

  async #gone(victim: Victim): Promise<void> {
    await until(`${victim.pid} is gone`, () => hasEnded(victim.pid), PATIENCE_MS);
    victim.to = Date.now();
    await this.#settled('a replacement');
  }

  /** As many workers as there are seats: recycling makes it one more for a while. */
  #settled(what: string, also = () => true): Promise<unknown> {
    return until(what, () => also() && this.#workers.length === this.#seats, PATIENCE_MS);
  }

  async #rest(): Promise<void> {
    await sleep(500 + this.#random() * 2500);
    const pid = this.#master;
    const table = Object.keys(descriptors(pid)).length;
    // Not while a worker is being replaced, whose line is one more.
    if (this.#workers.length !== SEATS || this.#seats !== SEATS) return;
    const sample = { pid, at: Date.now(), residentKiB: residentKiB(pid), descriptors: table };
    this.result.samples.push(sample);
  }

  async #stop(): Promise<void> {
    const load = this.#load as ChildProcess;
    load.stdin?.end();
    await once(load, 'close');
    const [master, workers] = [this.#master, this.#workers];
    process.kill(master, 'SIGTERM');
    await until('the end', () => [master, ...workers].every((pid) => hasEnded(pid)), PATIENCE_MS);
  }

  #judge(): void {
    const { result } = this;
    if (this.#sum === undefined) throw new Error('the clients have ended early');
    Object.assign(result, this.#sum);
    for (const failed of this.#failed) {
      if (this.#victims.some((victim) => isOf(failed, victim))) result.excused++;
      else result.failures.push(`request: ${JSON.stringify(failed)}`);
    }
    for (const { exit } of this.#events('reap')) {
      const how = `${exit.reason ?? 'unasked'} ${exit.signal ?? exit.exitCode}`;
      result.ends[how] = (result.ends[how] ?? 0) + 1;
    }
  }

  #events(name: string) {
    const file = join(this.#directory, 'events');
    const lines = (existsSync(file) ? readFileSync(file, 'utf8') : '')
      .trim()
      .split('\n')
      .filter(Boolean);
    return lines.map((line) => JSON.parse(line)).filter(({ event }) => event === name);
  }

  #tail(): string {
    const read = (name: string) =>
      spawnSync('tail', ['-n', '20', join(this.#directory, name)], { encoding: 'utf8' }).stdout;
    return `${read('events')}\n${read('log')}`;
  }

  async #sweep(): Promise<void> {
    this.#load?.kill('SIGKILL');
    for (const pid of marked(this.#mark)) killIfThere(pid);
    if (this.result.failures.length === 0) rmSync(this.#directory, { recursive: true });
    else console.error(`the daemon's directory is kept: ${this.#directory}`);
  }
}
