// The master's view of one worker.
import { setTimeout as sleep } from 'node:timers/promises';
import { deferred } from '../deferred.js';
import type { Watch } from '../native.js';
import { type WaitResult, waitpidAsync } from '../process.js';
import { watchLine } from './line.js';
import type { PreforkPlan, WorkerExit } from './options.js';

/** After the worker's own deadline, which it keeps unless it hangs. */
const KILL_AFTER_MS = 500;

/** A worker process, from its fork until it is reaped. */
export class Member {
  readonly #isReady = deferred<boolean>();
  readonly id: number;
  readonly pid: number;
  readonly generation: number;
  /** Resolves true when the worker is ready, false when it has ended before. */
  readonly ready: Promise<boolean> = this.#isReady.promise;
  readonly ended: Promise<WorkerExit>;
  readonly #plan: PreforkPlan;
  readonly #line: Watch;
  readonly #born = performance.now();
  #readyAt: number | undefined;
  #asked = false;
  #alive = true;
  #timer: NodeJS.Timeout;

  constructor(plan: PreforkPlan, id: number, generation: number, pid: number, line: number) {
    this.#plan = plan;
    this.id = id;
    this.generation = generation;
    this.pid = pid;
    this.#line = watchLine(line, { ready: () => this.#onReady(), end: () => {} }, false);
    this.#timer = setTimeout(() => this.#kill('SIGKILL'), plan.readyTimeout);
    this.ended = this.#untilEnd();
  }

  get isReady(): boolean {
    return this.#readyAt !== undefined;
  }

  /** It was asked to end. */
  get asked(): boolean {
    return this.#asked;
  }

  /** It has been ready for a while, so that its end is no failure to start. */
  get proven(): boolean {
    const { minUptime = 0 } = this.#plan.respawn ?? {};
    return this.#readyAt !== undefined && performance.now() - this.#readyAt >= minUptime;
  }

  /** Asks it to end, and sees to it that it does. */
  retire(): Promise<WorkerExit> {
    if (this.#alive && !this.#asked) {
      this.#asked = true;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#kill('SIGKILL'), this.#plan.stopTimeout + KILL_AFTER_MS);
      this.#kill('SIGTERM');
    }
    return this.ended;
  }

  /** In a copy of the master: nothing of the worker is this process's business. */
  forget(): void {
    this.#alive = false;
    clearTimeout(this.#timer);
    this.#line.close();
  }

  #kill(signal: NodeJS.Signals): void {
    if (!this.#alive) return;
    try {
      // Until it is reaped the pid is its own.
      process.kill(this.pid, signal);
    } catch {
      // EPERM: it has become somebody whom this master may not signal. The line's end is the same word.
      this.#line.close();
    }
  }

  #onReady(): void {
    if (this.#readyAt !== undefined) return;
    this.#readyAt = performance.now();
    if (!this.#asked) clearTimeout(this.#timer);
    this.#isReady.resolve(true);
  }

  /**
   * waitpidAsync() that does not give up: EMFILE passes. Undefined if somebody else has waited. In a
   * copy of the master it never settles.
   */
  async #waitFor(): Promise<WaitResult | undefined> {
    for (;;) {
      try {
        return await waitpidAsync(this.pid);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ECHILD') return undefined;
        await sleep(1000);
        if (!this.#alive) await new Promise<never>(() => {});
      }
    }
  }

  async #untilEnd(): Promise<WorkerExit> {
    const result = await this.#waitFor();
    const lived = performance.now() - this.#born;
    this.forget();
    this.#isReady.resolve(false);
    const { id, pid, generation } = this;
    const { exitCode = null, signal = null, rusage } = result ?? {};
    const ready = this.isReady;
    return { id, pid, generation, exitCode, signal, rusage, lived, ready, asked: this.#asked };
  }
}
