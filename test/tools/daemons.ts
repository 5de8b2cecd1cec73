// Starts test/fixtures/daemon.ts, looks at what became of it, and leaves none of it behind.
import assert from 'node:assert/strict';
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { DaemonOptions } from 'daemonkit';
import { cleanEnvironment } from './environment.js';
import { marked } from './marked.js';
import { collect } from './output.js';
import { hasEnded, killIfThere, stat } from './proc.js';
import { scratch } from './scratch.js';
import './sweep.js';

/** How a launcher ended. */
export interface Launch {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  milliseconds: number;
  /** The port of the server that was opened before becomeDaemon(). */
  port: number;
}

/** The daemon's report over HTTP. */
export interface Report {
  pid: number;
  ppid: number;
  cwd: string;
  stdinEnded: boolean;
}

export interface LaunchOptions {
  stdio?: StdioOptions;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** A command that gets the launcher's command line as further arguments. */
  under?: string[];
  /** Called as soon as the launcher runs. */
  meanwhile?: (launcher: ChildProcess) => unknown;
}

/** Milliseconds that are for a crowded or emulated machine, of what is expected to come true. */
const PATIENCE = 120_000;

/** Polls until `probe` returns something true, or fails. */
export async function until<T>(
  what: string,
  probe: () => T,
  milliseconds = PATIENCE,
): Promise<NonNullable<T>> {
  for (const end = performance.now() + milliseconds; performance.now() < end; ) {
    const result = probe();
    if (result) return result as NonNullable<T>;
    await sleep(25);
  }
  assert.fail(`never came true: ${what}`);
}

/** Waits for a process to be asleep: it may be at work for a moment. One that was hit never is again. */
export function lives(pid: number): Promise<boolean> {
  return until(`${pid} lives`, () => stat(pid)[0] === 'S');
}

/** One test's directory and daemons, which all carry a mark in their environment. */
export class Nest {
  readonly directory: string;
  readonly pidfile: string;
  readonly log: string;
  readonly #mark = `DAEMONKIT_TEST=${randomUUID()}`;

  constructor(
    t: TestContext,
    readonly strategy: 'fork' | 'reexec' = 'fork',
  ) {
    this.directory = scratch(t);
    this.pidfile = join(this.directory, 'd.pid');
    this.log = join(this.directory, 'd.log');
    t.after(() => this.sweep());
  }

  /** The command line of a launcher. */
  command(scenario: string, options: DaemonOptions = {}): string[] {
    const program = fileURLToPath(new URL('../fixtures/daemon.js', import.meta.url));
    const { strategy, pidfile, log } = this;
    // The default, 30 seconds, is less than a start may take there.
    const all = { strategy, pidfile, log, timeout: PATIENCE, ...options };
    return [process.execPath, program, scenario, JSON.stringify(all)];
  }

  /** The environment that makes a process one of this test's. */
  env(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    const [name = '', mark] = this.#mark.split('=');
    return cleanEnvironment({ ...extra, [name]: mark });
  }

  /** Runs a launcher to its end. */
  launch(scenario: string, options: DaemonOptions = {}, more: LaunchOptions = {}): Promise<Launch> {
    return this.run(this.command(scenario, options), more);
  }

  /** Runs any command that may leave a daemon. */
  async run(
    command: string[],
    { stdio = ['ignore', 'pipe', 'pipe'], cwd, env, under = [], meanwhile }: LaunchOptions = {},
  ): Promise<Launch> {
    const [file = '', ...args] = [...under, ...command];
    const start = performance.now();
    const child = spawn(file, args, { stdio, cwd, env: this.env(env) });
    const output = collect(child);
    // 'close' comes when the pipes have ended too: a daemon that keeps one open fails the test.
    const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
      child.on('error', reject).on('close', (code, signal) => resolve([code, signal]));
    });
    const [[code, signal]] = await Promise.all([ended, meanwhile?.(child)]);
    const port = Number(/^port (\d+)$/m.exec(output.stdout)?.[1]);
    return { code, signal, ...output, milliseconds: performance.now() - start, port };
  }

  /** Launches a daemon that must start. */
  async start(
    scenario: string,
    options: DaemonOptions = {},
    more: LaunchOptions = {},
  ): Promise<Launch & { pid: number }> {
    const launch = await this.launch(scenario, options, more);
    const { code, stderr } = launch;
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    return { ...launch, pid: this.pid() };
  }

  /** Launches a daemon that must not start: nothing of it may be left. */
  async fails(
    scenario: string,
    options: DaemonOptions = {},
    more: LaunchOptions = {},
  ): Promise<Launch> {
    const launch = await this.launch(scenario, options, more);
    assert.notEqual(launch.code, 0, `started: ${launch.stderr}`);
    assert.deepEqual(this.processes(), [], `left behind:\n${launch.stderr}`);
    assert.equal(existsSync(this.pidfile), false, 'the pidfile is left behind');
    return launch;
  }

  /** The same because of a time limit, which on a busy machine may be over before there is a daemon: then again. */
  async isLate(scenario: string, timeout: number): Promise<Launch> {
    for (;;) {
      const launch = await this.fails(scenario, { timeout });
      if (!/step fork: EAGAIN: /.test(launch.stderr)) return launch;
    }
  }

  pid(): number {
    return Number(readFileSync(this.pidfile, 'utf8'));
  }

  logged(): string {
    return readFileSync(this.log, 'utf8');
  }

  /** All processes of this test but zombies, whatever they have become. */
  processes(): number[] {
    return marked(this.#mark);
  }

  /** Ends a process and waits until it is gone. */
  async end(pid: number, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    process.kill(pid, signal);
    await until(`${pid} is gone`, () => hasEnded(pid));
  }

  async sweep(): Promise<void> {
    for (const pid of this.processes()) killIfThere(pid);
    await until('nothing is left', () => this.processes().length === 0);
  }
}

/**
 * One test for each strategy: what a daemon is does not depend on how it came to be.
 * @param reexec More options of the second one.
 */
export function bothWays(
  name: string,
  body: (nest: Nest, t: TestContext) => Promise<void>,
  options: { skip?: string | false } = {},
  reexec: { skip?: string | false } = {},
): void {
  for (const strategy of ['fork', 'reexec'] as const) {
    const skip = options.skip || (strategy === 'reexec' && reexec.skip);
    test(`${strategy}: ${name}`, { skip }, (t) => body(new Nest(t, strategy), t));
  }
}

export async function ask<T = Report>(port: number, path = '/'): Promise<T> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    signal: AbortSignal.timeout(10_000),
    headers: { connection: 'close' },
  });
  return (await response.json()) as T;
}
