// Starts test/fixtures/prefork.ts, follows what it says, and leaves none of it behind.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import type { WorkerExit } from 'daemonkit';
import type { Setup } from '../fixtures/prefork.js';
import { until } from './daemons.js';
import { cleanEnvironment } from './environment.js';
import { killIfThere, processGroup, runningIn } from './proc.js';
import { fixture } from './run.js';

/** A line of the fixture. */
export interface Said {
  event: string;
  at: number;
  pid: number;
  port: number;
  pids: number[];
  exit: WorkerExit;
  message: string;
  code: string;
  id: number;
}

/** What a worker answers. */
export interface Answer {
  pid: number;
  ppid: number;
  id: number;
  generation: number;
  title: string;
  loaded: string;
}

/** One preforked server, in a process group of its own. */
export class Preforked {
  readonly said: Said[] = [];
  readonly pid: number;
  readonly ended: Promise<[number | null, NodeJS.Signals | null]>;
  stderr = '';

  /**
   * @param under - a command that execs what follows it.
   * @param file - the fixture.
   */
  constructor(t: TestContext, setup: object, under: readonly string[] = [], file = 'prefork.js') {
    const [program = '', ...args] = [...under, process.execPath, fixture(file)];
    const child: ChildProcess = spawn(program, [...args, JSON.stringify(setup)], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: cleanEnvironment(),
    });
    this.pid = child.pid as number;
    this.ended = once(child, 'exit') as typeof this.ended;
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.stderr += text;
    });
    createInterface(child.stdout as NodeJS.ReadableStream).on('line', (line) => {
      this.said.push(JSON.parse(line));
    });
    t.after(() => this.sweep());
  }

  /** Starts one, and waits until its workers are ready. */
  static async ready(t: TestContext, setup: Setup = {}): Promise<Preforked> {
    const server = new Preforked(t, { ...setup, options: { workers: 3, ...setup.options } });
    await server.hears('ready');
    return server;
  }

  events(event: string): Said[] {
    return this.said.filter((line) => line.event === event);
  }

  exits(): WorkerExit[] {
    return this.events('exit').map(({ exit }) => exit);
  }

  /** Waits for the n-th event of a kind. */
  hears(event: string, n = 1): Promise<Said> {
    return until(
      `${event} ${n}, said: ${JSON.stringify(this.said)} ${this.stderr}`,
      () => this.events(event)[n - 1] as Said,
    );
  }

  /** All processes there are of it but the master, zombies too. */
  workers(): number[] {
    return processGroup(this.pid).filter((pid) => pid !== this.pid);
  }

  get port(): number {
    return this.events('listening')[0]?.port ?? 0;
  }

  kill(signal: NodeJS.Signals, pid = this.pid): void {
    process.kill(pid, signal);
  }

  /** One request, over a separate connection unless there is an agent. */
  ask(path = '/', agent: Agent | false = false): Promise<Answer & { connection: string }> {
    return askAt(this.port, path, agent);
  }

  /** Ends it, after which nothing of it may be left. */
  async stops(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.kill(signal);
    assert.deepEqual(await this.ended, [0, null], this.stderr);
    assert.deepEqual(processGroup(this.pid), []);
  }

  async sweep(): Promise<void> {
    const left = () => runningIn(this.pid);
    if (left().length > 0) killIfThere(-this.pid);
    await until('nothing is left', () => left().length === 0);
  }
}

/** One request to a port, over a separate connection unless there is an agent. */
export async function askAt(port: number, path = '/', agent: Agent | false = false) {
  const request = get({ port, host: '127.0.0.1', path, agent });
  const [response] = await once(request, 'response');
  let text = '';
  for await (const chunk of response) text += chunk;
  assert.equal(response.statusCode, 200);
  return { ...(JSON.parse(text) as Answer), connection: response.headers.connection as string };
}

/** Clients with kept-alive connections, each of which asks again as soon as it has its answer. */
export class Clients {
  readonly answers = new Map<number, number>();
  readonly failures: string[] = [];
  readonly generations = new Set<number>();
  requests = 0;
  #running = true;
  readonly #all: Promise<unknown>;

  /** @param fresh - those that make a connection for each request. */
  constructor({ port }: { port: number }, count: number, fresh = 0) {
    const clients = Array.from({ length: count + fresh }, (_, i) => this.#client(port, i < count));
    this.#all = Promise.all(clients);
  }

  async #client(port: number, keepAlive: boolean): Promise<void> {
    const agent = new Agent({ keepAlive, maxSockets: 1 });
    while (this.#running) {
      this.requests++;
      try {
        const { pid, generation } = await askAt(port, '/?ms=1', agent);
        this.answers.set(pid, (this.answers.get(pid) ?? 0) + 1);
        this.generations.add(generation);
      } catch (error) {
        this.failures.push(String((error as NodeJS.ErrnoException).code));
      }
    }
    agent.destroy();
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#all;
  }
}

export interface Load {
  errors: number;
  timeouts: number;
  mismatches: number;
  non2xx: number;
  '2xx': number;
}

/** Loads a server with autocannon, in a separate process, for some seconds. */
export async function autocannon(
  port: number,
  seconds: number,
  args: string[] = [],
): Promise<Load> {
  const program = createRequire(import.meta.url).resolve('autocannon');
  const url = `http://127.0.0.1:${port}/`;
  const all = [
    program,
    '--json',
    '--connections',
    '20',
    '--timeout',
    '60',
    '--duration',
    `${seconds}`,
    ...args,
    url,
  ];
  const child = spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(child, 'close');
  return JSON.parse(text) as Load;
}
