// Starts test/fixtures/upgrade.ts, changes what it is, and asks it to be upgraded; leaves none of it behind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { Agent, get, type RequestOptions } from 'node:http';
import * as http2 from 'node:http2';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Setup } from '../fixtures/upgrade.js';
import { until } from './daemons.js';
import { doing } from './doing.js';
import { cleanEnvironment } from './environment.js';
import { hasEnded, killIfThere, stat } from './proc.js';
import { fixture } from './run.js';
import { scratch } from './scratch.js';

export interface Said {
  event: string;
  pid: number;
  version: number;
  port: number;
  second: number;
  further: number;
  env: string[];
  cwd: string;
  message: string;
  code: string;
  step: string;
  stderr: string;
  exitCode: number | null;
  signal: string | null;
  successor: number;
}

export interface Answer {
  pid: number;
  ppid: number;
  version: number;
}

/** One server, through all of its versions; they are in one process group. */
export class Upgraded {
  readonly directory: string;
  stderr = '';
  #setup: Setup;

  /** @param start - false: another program runs the command. */
  constructor(t: TestContext, setup: Omit<Setup, 'version'> = {}, start = true) {
    this.directory = scratch(t);
    this.#setup = { ...setup, version: 1 };
    this.becomes({});
    t.after(() => this.sweep());
    if (!start) return;
    const [file = '', ...args] = this.command;
    const child = spawn(file, args, {
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: cleanEnvironment(this.mark),
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      this.stderr += text;
    });
  }

  get command(): string[] {
    return [process.execPath, fixture('upgrade.js'), this.directory];
  }

  /** What all of its processes have in their environment. */
  get mark(): NodeJS.ProcessEnv {
    return { DAEMONKIT_TEST_MARK: this.directory };
  }

  static async ready(t: TestContext, setup: Omit<Setup, 'version'> = {}): Promise<Upgraded> {
    const server = new Upgraded(t, setup);
    await server.hears('ready');
    return server;
  }

  /** What the next start will be. */
  becomes(setup: Partial<Setup>): void {
    this.#setup = { ...this.#setup, ...setup };
    writeFileSync(join(this.directory, 'setup'), JSON.stringify(this.#setup));
  }

  get said(): Said[] {
    const file = join(this.directory, 'said');
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }

  events(event: string): Said[] {
    return this.said.filter((line) => line.event === event);
  }

  hears(event: string, n = 1): Promise<Said> {
    const what = () => `${event} ${n}: ${JSON.stringify(this.said)} ${this.stderr}`;
    return until(what(), () => this.events(event)[n - 1] as Said, 60_000).catch(() =>
      assert.fail(what()),
    );
  }

  /** The master that was ready last. */
  get master(): number {
    return this.events('ready').at(-1)?.pid ?? 0;
  }

  get port(): number {
    return this.events('listening')[0]?.port ?? 0;
  }

  /** The port of the HTTP/2 server, by the socket's inode. */
  secondPort(): number {
    const { second, pid } = this.events('listening').at(-1) as Said;
    return portOf(pid, second);
  }

  kill(signal: NodeJS.Signals, pid = this.master): void {
    process.kill(pid, signal);
  }

  /** Has the next version take the place; gives its master. */
  async upgrade(version: number, setup: Partial<Setup> = {}): Promise<number> {
    const before = this.master;
    const ready = this.events('ready').length;
    this.becomes({ ...setup, version });
    this.kill('SIGUSR2', before);
    await this.hears('ready', ready + 1);
    await until(`${before} ends`, () => hasEnded(before)).catch((error) =>
      assert.fail(`${error} ${this.state()}`),
    );
    return this.master;
  }

  /** An upgrade that fails; returns the messages of the master, which continues. */
  async fails(setup: Partial<Setup>): Promise<Said> {
    const errors = this.events('error').length;
    this.becomes(setup);
    this.kill('SIGUSR2');
    const error = await this.hears('error', errors + 1);
    return error;
  }

  async ask(options: RequestOptions = {}): Promise<Answer> {
    const request = get({ port: this.port, host: '127.0.0.1', agent: false, ...options });
    const [response] = await once(request, 'response');
    let text = '';
    for await (const chunk of response) text += chunk;
    return JSON.parse(text);
  }

  /** All processes of all versions. */
  processes(): number[] {
    return readdirSync('/proc').flatMap((name) => {
      if (!/^\d+$/.test(name)) return [];
      try {
        const text = readFileSync(`/proc/${name}/environ`, 'latin1');
        const ours = text.includes(`DAEMONKIT_TEST_MARK=${this.directory}`);
        return ours && stat(Number(name))[0] !== 'Z' ? Number(name) : [];
      } catch {
        return [];
      }
    });
  }

  /** For a failed test: what each process does, what they have said last, and their errors. */
  state(): string {
    const said = JSON.stringify(this.said.slice(-8));
    return `${doing(this.processes())}\n${said}\n${this.stderr}`;
  }

  async stops(): Promise<void> {
    this.kill('SIGTERM');
    await until('the end of all', () => this.processes().length === 0);
  }

  async sweep(): Promise<void> {
    // One may be making the next.
    await until('nothing is left', () => {
      const left = this.processes();
      for (const pid of left) killIfThere(pid);
      return left.length === 0;
    });
  }
}

function portOf(pid: number, fd: number): number {
  const inode = /\[(\d+)\]/.exec(linkOf(pid, fd))?.[1];
  const line = readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .find((one) => one.trim().split(/\s+/)[9] === inode);
  return Number.parseInt(line?.trim().split(/\s+/)[1]?.split(':')[1] ?? '0', 16);
}

const linkOf = (pid: number, fd: number) => readlinkSync(`/proc/${pid}/fd/${fd}`);

/** Clients that ask without a break: on kept-alive connections, on fresh ones, over HTTP/2. */
export class Load {
  readonly failures: string[] = [];
  readonly versions = new Set<number>();
  requests = 0;
  #running = true;
  readonly #all: Promise<unknown>;

  constructor(server: Upgraded, count: number) {
    const second = server.secondPort();
    const kinds = Array.from({ length: count }, () => [
      this.#repeat('kept', keptAlive(server)),
      this.#repeat('fresh', () => server.ask()),
      this.#repeat('h2', session(second)),
    ]);
    this.#all = Promise.all(kinds.flat());
  }

  async #repeat(kind: string, ask: () => Promise<Answer>): Promise<void> {
    while (this.#running) {
      try {
        this.versions.add((await ask()).version);
        this.requests++;
      } catch (error) {
        this.failures.push(`${kind} ${error}`);
      }
    }
  }

  /** Until there are so many more requests. */
  async goesOn(requests = 200): Promise<void> {
    const before = this.requests;
    await until(`${requests} more`, () => this.requests > before + requests);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#all;
  }
}

function keptAlive(server: Upgraded): () => Promise<Answer> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return () => server.ask({ agent, path: '/?ms=1' });
}

/** As RFC 9113 has clients do: after GOAWAY the next request goes over a new connection. */
function session(port: number): () => Promise<Answer> {
  let client: http2.ClientHttp2Session | undefined;
  return async () => {
    if (client === undefined || client.closed || client.destroyed) {
      const made = http2.connect(`http://127.0.0.1:${port}`);
      client = made;
      made.on('error', () => {});
      made.on('goaway', () => made.close());
      made.unref();
      await once(made, 'connect');
    }
    const stream = client.request({ ':path': '/' });
    let text = '';
    for await (const chunk of stream.setEncoding('utf8')) text += chunk;
    return JSON.parse(text);
  };
}
