// The run of one function in one child, from the wait for a place to the child's end.
import { AsyncResource } from 'node:async_hooks';
import { closeSync, fstatSync } from 'node:fs';
import { native } from '../addon/native.js';
import { inChildren } from '../atfork/hooks.js';
import { onAbort } from '../base/abort.js';
import { deferred } from '../base/deferred.js';
import { abortError, asError, check, codedError, telling } from '../base/errors.js';
import { rehearsal } from '../base/rehearsed.js';
import { clearTimeout, setTimeout } from '../base/timers.js';
import { forkBy, TIMEOUT } from '../fork/fork.js';
import { anyWorkers } from '../fork/workers.js';
import { type WaitEnd, waitpid, waitpidAsync } from '../posix/wait.js';
import { beChild, endAtFork, THROWN, tooBusy } from './child.js';
import { heard, type Told } from './failure.js';
import { takeOver } from './handover.js';
import { timersNow } from './leave.js';
import { type Plan, runPlan } from './options.js';
import { Places } from './places.js';
import { rehearseChild } from './rehearsal.js';
import { forgetTurns, inTurn } from './turns.js';

/** How a child of {@link runInFork} ended that returned no result. */
export interface ForkEnd {
  /** The child's process id. The system may reuse it. */
  pid: number;
  /** The child's exit code; null if a signal killed the child. */
  exitCode: number | null;
  /** The signal that killed the child, or null. */
  signal: string | null;
  /** Whether the kernel wrote the child's memory to a core(5) file. */
  coreDumped: boolean;
  /** The child's resource usage, in the form of `process.resourceUsage()`. */
  rusage: NodeJS.ResourceUsage;
}

/** The error of {@link runInFork} for a child that ended without a result. */
export interface ForkEndError extends Error, ForkEnd {
  /**
   * `ERR_FORK_ENDED`: the child exited or was killed by another process. `ETIMEDOUT`: it was killed
   * by the option `timeout`.
   */
  code: 'ERR_FORK_ENDED' | 'ETIMEDOUT';
}

function endError(message: string, code: string, end: WaitEnd): Error {
  const { pid, exitCode, signal, coreDumped, rusage } = end;
  return telling(codedError(message, code), { pid, exitCode, signal, coreDumped, rusage });
}

function endedError(end: WaitEnd): Error {
  const how = end.signal === null ? `exited with ${end.exitCode}` : `was killed by ${end.signal}`;
  return endError(`the child ${how} before its function was done`, 'ERR_FORK_ENDED', end);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Another wait has already reaped the child.
  }
}

/** For a child without a pidfd: a killed child ends soon, so this may block. */
function endNow(pid: number, error: unknown): WaitEnd {
  kill(pid);
  try {
    return waitpid(pid);
  } catch {
    throw error;
  }
}

/** The runs of this process. */
const runs = new Set<Run>();
/** The run whose child is being forked. */
let forking: Run | undefined;

inChildren((rehearsal) => {
  forgetTurns(rehearsal);
  if (rehearsal) return;
  for (const run of runs) run.forget(run !== forking);
  runs.clear();
});

class Run {
  readonly #done = deferred<unknown>();
  readonly #job: () => unknown;
  readonly #plan: Plan;
  readonly #places: Places;
  readonly #strict: boolean;
  #leavePlace: () => void = () => {};
  #leaveTurn: () => void = () => {};
  #unwatch: () => void = () => {};
  #timer: NodeJS.Timeout | undefined;
  #file = -1;
  /** The child's pid, until the child is reaped. */
  #pid = 0;
  #ending = false;
  /** Makes the error that says why the child was killed. */
  #killed: ((end: WaitEnd) => Error) | undefined;

  constructor(places: Places, plan: Plan, job: () => unknown, strict: boolean) {
    this.#places = places;
    this.#plan = plan;
    this.#job = job;
    this.#strict = strict;
  }

  begin(): Promise<unknown> {
    runs.add(this);
    this.#unwatch = onAbort(this.#plan.signal, this.#abort);
    this.#leavePlace = this.#places.take(() => {
      this.#leaveTurn = inTurn(this.#strict, (quiet) => this.#fork(quiet));
    });
    return this.#done.promise;
  }

  /** In a forked process: the run belongs to the parent and never settles here. */
  forget(closed: boolean): void {
    this.#unwatch();
    clearTimeout(this.#timer);
    this.#places.forget();
    if (closed && this.#file >= 0) closeSync(this.#file);
  }

  readonly #abort = (): void => {
    const error = abortError(this.#plan.signal as AbortSignal);
    if (this.#pid > 0) this.#kill(() => error);
    else if (!this.#ending) this.#end(() => Promise.reject(error));
  };

  #kill(why: (end: WaitEnd) => Error): void {
    this.#killed ??= why;
    kill(this.#pid);
  }

  #fork(quiet: boolean): void {
    let pid: number;
    try {
      if (this.#strict && !quiet) throw tooBusy();
      this.#file = check(native.anonymousFile('daemonkit:runInFork'), 'memfd_create');
      pid = this.#makeChild(quiet);
    } catch (error) {
      this.#end(() => Promise.reject(error));
      return;
    }
    if (pid > 0) this.#end(() => this.#follow(pid));
  }

  /** @returns 0 in a child whose function has not finished. */
  #makeChild(quiet: boolean): number {
    const [parent, forked] = [native.getpid(), timersNow()];
    // The error's own `pid` is not used: a hook may throw an error with the `pid` of another
    // process.
    let pid = -1;
    const make = () => {
      const made = native.fork(TIMEOUT, anyWorkers());
      if (typeof made === 'number') pid = made;
      return made;
    };
    rehearse();
    forking = this;
    try {
      forkBy(make, this.#plan.workers);
    } catch (error) {
      if (native.getpid() !== parent) endAtFork(this.#file, error);
      if (pid <= 0) throw error;
      this.#killed = () => asError(error);
    } finally {
      forking = undefined;
    }
    if (pid === 0) {
      beChild({ job: this.#job, plan: this.#plan, file: this.#file, parent, forked, quiet });
    }
    return pid;
  }

  async #follow(pid: number): Promise<unknown> {
    this.#pid = pid;
    const { timeout } = this.#plan;
    if (this.#killed !== undefined) kill(pid);
    if (timeout !== undefined) {
      const words = `the child was killed because it ran for more than ${timeout} ms`;
      const late = () => this.#kill((end) => endError(words, 'ETIMEDOUT', end));
      this.#timer = setTimeout(late, timeout);
    }
    const end = await waitpidAsync(pid).catch((error) => endNow(pid, error));
    this.#pid = 0;
    if (this.#killed !== undefined) throw this.#killed(end);
    return this.#result(end);
  }

  #result(end: WaitEnd): unknown {
    const left = end.exitCode === 0 && takeOver(this.#file, fstatSync(this.#file).size);
    if (!left) throw endedError(end);
    if (left.kind === THROWN) throw heard(left.value as Told);
    return left.value;
  }

  /** Cleans up and settles after `last`. */
  async #end(last: () => Promise<unknown>): Promise<void> {
    this.#ending = true;
    this.#leaveTurn();
    try {
      this.#done.resolve(await last());
    } catch (error) {
      this.#done.reject(error as Error);
    } finally {
      this.#unwatch();
      clearTimeout(this.#timer);
      if (this.#file >= 0) closeSync(this.#file);
      runs.delete(this);
      this.#leavePlace();
    }
  }
}

/** @internal Keeps the AsyncLocalStorage context of the call. */
export const bound = <T extends () => unknown>(fn: T): (() => unknown) =>
  AsyncResource.bind(() => fn());

/** It takes 0.2 to 0.4 ms, the first time 3.4 ms. */
const rehearse = rehearsal(() => {
  const job = bound(() => {});
  rehearseChild(job);
  new Run(new Places(1), runPlan(undefined), job, false).forget(false);
});

/**
 * @internal Runs a function in a child when a place is free.
 *
 * @param strict - pending requests must finish first, because they would also wake the child's
 *   event loop.
 */
export function runForked(
  places: Places,
  plan: Plan,
  job: () => unknown,
  strict: boolean,
): Promise<unknown> {
  if (plan.signal?.aborted) return Promise.reject(abortError(plan.signal));
  return new Run(places, plan, job, strict).begin();
}
