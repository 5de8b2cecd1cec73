// Runs a service under test/tools/manager.py, and returns the messages that this received.

import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from './daemons.js';
import { killIfThere } from './proc.js';
import { scratch } from './scratch.js';
import './sweep.js';

const PROGRAM = fileURLToPath(new URL('../../../test/tools/manager.py', import.meta.url));

/** One datagram. */
export interface Received {
  lines: string[];
  /** What the kernel, or a privileged sender, says of the sender. */
  pid: number;
  uid: number;
  /** What the descriptors lead to. */
  fds: string[];
  /** The manager's CLOCK_MONOTONIC, in microseconds. */
  clock: number;
}

export interface Settings {
  env?: NodeJS.ProcessEnv;
  execPid?: boolean;
  watchdogPid?: boolean;
  listen?: string[];
  hold?: boolean;
  systemd?: boolean;
}

const GUARDED = /^(NOTIFY_SOCKET|LISTEN_\w+|WATCHDOG_\w+|SYSTEMD_EXEC_PID|NODE_EXTRA_CA_CERTS)$/;

export class Manager {
  readonly address: string;
  readonly messages: Received[] = [];
  /** The service's standard output and error. */
  output = '';
  service = 0;
  exitCode: number | undefined;
  port = 0;
  udp = 0;
  rebound = false;
  readonly #process: ChildProcessWithoutNullStreams;

  private constructor(address: string, command: string[], settings: Settings) {
    this.address = address;
    const env = Object.entries(process.env).filter(([name]) => !GUARDED.test(name));
    this.#process = spawn('python3', [PROGRAM, address, JSON.stringify(settings), ...command], {
      env: Object.fromEntries(env),
    });
    this.#process.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
    });
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      const { exit, ...said } = JSON.parse(line);
      if (exit !== undefined) this.exitCode = exit;
      else if ('lines' in said) this.messages.push(said);
      else Object.assign(this, said);
    });
  }

  /** Starts the service; manager and service end with the test. */
  static async start(
    t: TestContext,
    command: string[],
    settings: Settings & { address?: string } = {},
  ): Promise<Manager> {
    const { address = join(scratch(t), 'notify'), ...others } = settings;
    const manager = new Manager(address, command, others);
    t.after(() => manager.#end());
    await until('the service is started', () => manager.service);
    return manager;
  }

  /** The manager itself. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** What the messages say, a list of lines for each. */
  get told(): string[][] {
    return this.messages.map(({ lines }) => lines);
  }

  /** Waits for a message with this line. */
  async hears(line: string): Promise<Received> {
    const heard = () => this.messages.find(({ lines }) => lines.includes(line));
    const message = await until(line, heard).catch(() => heard());
    assert.ok(message, `${line} was not told, but ${JSON.stringify(this.told)}: ${this.output}`);
    return message;
  }

  /** Waits for the service to exit; returns all messages. */
  async exits(code = 0): Promise<string[][]> {
    await until('the service exits', () => this.exitCode !== undefined);
    assert.equal(this.exitCode, code, this.output);
    return this.told;
  }

  /** Closes the barriers' descriptors, or makes a new socket. */
  command(what: 'release' | 'rebind'): void {
    this.#process.stdin.write(`${what}\n`);
  }

  async #end(): Promise<void> {
    if (this.exitCode === undefined) killIfThere(this.service);
    const ended = once(this.#process, 'close');
    this.#process.stdin.end();
    await ended;
  }
}
