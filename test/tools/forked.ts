// test/fixtures/injected.ts and a tracer: one Node in which system calls of fork() fail in turn.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Round } from '../fixtures/injected.js';
import { cleanEnvironment } from './environment.js';
import { fixture } from './run.js';
import { attach, detach } from './strace.js';

export class Forker {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(node = process.execPath) {
    this.#child = spawn(node, [fixture('injected.js')], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: cleanEnvironment(),
    });
    this.#lines = createInterface(this.#child.stdout as NodeJS.ReadableStream)[
      Symbol.asyncIterator
    ]();
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** How it ended, if it did. */
  get ending(): string {
    return String(this.#child.signalCode ?? this.#child.exitCode);
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (!done) return value;
    if (this.alive) await once(this.#child, 'exit');
    throw new Error(`the parent ended by ${this.ending}`);
  }

  /** One fork under a strace with these options. */
  async round(...options: string[]): Promise<Round> {
    assert.equal(await this.#line(), 'ready');
    const strace = await attach(this.#child.pid as number, ...options);
    try {
      this.#child.stdin?.write('a');
      assert.equal(await this.#line(), 'forked');
    } finally {
      await detach(strace);
    }
    this.#child.stdin?.write('d');
    return JSON.parse(await this.#line()) as Round;
  }

  async end(): Promise<void> {
    if (!this.alive) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
