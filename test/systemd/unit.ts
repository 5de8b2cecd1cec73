// A unit, as systemctl and its clients see it from within the booted system.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { until } from '../tools/daemons.js';

export function command(file: string, ...args: string[]) {
  return spawnSync(file, args, { encoding: 'utf8', timeout: 60_000 });
}

/** Fails with what it has printed. */
export function succeeds(file: string, ...args: string[]): string {
  const { status, stdout, stderr } = command(file, ...args);
  assert.equal(status, 0, `${file} ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

/** Clients continue during this. */
export async function systemctl(...args: string[]): Promise<void> {
  await promisify(execFile)('systemctl', args, { timeout: 120_000 });
}

export interface Answer {
  greeting: string;
  pid: number;
}

/** One request over a connection of its own. */
export function ask(port: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, agent: false, timeout: 60_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('error', reject).on('end', () => {
        const [, greeting = text, pid] = /^(.*) from process (\d+)\n$/.exec(text) ?? [];
        resolve({ greeting, pid: Number(pid) });
      });
    });
    request.on('error', reject).on('timeout', () => request.destroy(new Error('no answer')));
  });
}

/** Clients that send requests one after the other until they are stopped; none may be refused. */
export class Clients implements AsyncDisposable {
  readonly pids = new Set<number>();
  requests = 0;
  readonly #failures: string[] = [];
  readonly #all: Promise<unknown>;
  #going = true;

  constructor(port: number, count = 3) {
    this.#all = Promise.all(Array.from({ length: count }, () => this.#repeat(port)));
  }

  async #repeat(port: number): Promise<void> {
    while (this.#going) {
      try {
        this.pids.add((await ask(port)).pid);
        this.requests++;
      } catch (error) {
        this.#failures.push(`${error}`);
        return;
      }
    }
  }

  async goesOn(): Promise<void> {
    const before = this.requests;
    await until('requests', () => this.requests > before + 20 || this.#failures.length > 0);
  }

  async stop(): Promise<void> {
    await this.goesOn();
    await this[Symbol.asyncDispose]();
    assert.deepEqual(this.#failures, []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#going = false;
    await this.#all;
  }
}

const RUNTIME = '/run/systemd/system';

export class Unit {
  constructor(
    readonly name: string,
    readonly port = 0,
  ) {}

  /** The output of systemctl about it. */
  get state(): Record<string, string> {
    const lines = succeeds('systemctl', 'show', this.name).split('\n');
    return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s, 2)));
  }

  get main(): number {
    return Number(this.state.MainPID);
  }

  start(): Promise<void> {
    return systemctl('start', this.name);
  }

  reload(): Promise<void> {
    return systemctl('reload', this.name);
  }

  restart(): Promise<void> {
    return systemctl('restart', this.name);
  }

  /** It ends in order, with all of its processes, and serves no client. */
  async stops(): Promise<void> {
    const { ControlGroup } = this.state;
    await systemctl('stop', this.name);
    const { ActiveState, Result, MainPID } = this.state;
    assert.deepEqual([ActiveState, Result, MainPID], ['inactive', 'success', '0']);
    assert.deepEqual(processesIn(ControlGroup), []);
    await this.refuses();
  }

  signal(name: string): Promise<void> {
    return systemctl('kill', `--signal=${name}`, '--kill-whom=main', this.name);
  }

  /** Adds to the unit's file, until it is over. */
  async dropIn(text: string): Promise<void> {
    const folder = join(RUNTIME, `${this.name}.d`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'test.conf'), text);
    await systemctl('daemon-reload');
  }

  ask(): Promise<Answer> {
    return ask(this.port);
  }

  /** Waits until a process serves; returns its pid. */
  async answers(): Promise<number> {
    for (const end = performance.now() + 60_000; performance.now() < end; await sleep(50)) {
      const answer = await this.ask().catch(() => undefined);
      if (answer !== undefined) return answer.pid;
    }
    assert.fail(`${this.name} never answers`);
  }

  /** Waits for the greeting, and returns its sender. */
  async greets(greeting: string): Promise<number> {
    for (const end = performance.now() + 60_000; performance.now() < end; await sleep(50)) {
      const answer = await this.ask();
      if (answer.greeting === greeting) return answer.pid;
    }
    assert.fail(`${this.name} never says ${greeting}`);
  }

  refuses(): Promise<void> {
    return assert.rejects(this.ask(), { code: 'ECONNREFUSED' });
  }

  /** What the service itself and systemd have written to the journal of it. */
  get journal(): string {
    command('journalctl', '--sync');
    return command('journalctl', '--unit', this.name, '--output=cat', '--no-pager').stdout;
  }

  /** Waits for an output of systemctl: a pattern, or the text itself. */
  async shows(expected: Record<string, string | RegExp>): Promise<Record<string, string>> {
    let state: Record<string, string> = {};
    const fits = ([name, value]: [string, string | RegExp]) =>
      typeof value === 'string' ? state[name] === value : value.test(state[name] ?? '');
    const all = () => {
      state = this.state;
      return Object.entries(expected).every(fits);
    };
    await until(Object.keys(expected).join(', '), all, 60_000).catch(() => {
      const seen = Object.keys(expected).map((name) => [name, state[name]]);
      assert.deepEqual(Object.fromEntries(seen), expected);
    });
    return state;
  }

  /** Waits for a line of the journal. */
  async logs(line: RegExp): Promise<void> {
    let journal = '';
    const found = () => {
      journal = this.journal;
      return line.test(journal);
    };
    await until(`${line}`, found, 60_000).catch(() => assert.match(journal, line));
  }

  /** The main process is another one, and the service has never been down. */
  async moves(from: number): Promise<number> {
    const other = () => {
      const { MainPID, ActiveState } = this.state;
      return ActiveState === 'reloading' || Number(MainPID) === from ? 0 : Number(MainPID);
    };
    const main = await until(`${this.name} has another main process`, other, 60_000);
    assert.deepEqual([this.state.ActiveState, this.state.NRestarts], ['active', '0']);
    return main;
  }

  /** As if it had never been there. */
  clear(): void {
    command('systemctl', 'stop', this.name);
    command('systemctl', 'reset-failed', this.name);
    rmSync(join(RUNTIME, `${this.name}.d`), { recursive: true, force: true });
  }
}

function processesIn(group: string | undefined): string[] {
  if (!group) return [];
  try {
    return readFileSync(join('/sys/fs/cgroup', group, 'cgroup.procs'), 'utf8').match(/\d+/g) ?? [];
  } catch {
    return []; // it is gone with them
  }
}
