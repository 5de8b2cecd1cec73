// One function in one child, from the wait for a place to the child's end.
import { closeSync, fstatSync } from 'node:fs';
import { native } from '../addon/native.js';
import { inChildren } from '../atfork/hooks.js';
import { deferred } from '../base/deferred.js';
import { abortError, asError, check, codedError, telling } from '../base/errors.js';
import { clearTimeout, setTimeout } from '../base/timers.js';
import { forkBy, TIMEOUT } from '../fork/fork.js';
import { anyWorkers } from '../fork/workers.js';
import { type WaitEnd, waitpid, waitpidAsync } from '../posix/wait.js';
import { beChild, endWith, THROWN, tooBusy } from './child.js';
import { heard, type Told, tell } from './failure.js';
import { takeOver } from './handover.js';
import { timersNow } from './leave.js';
import type { Plan } from './options.js';
import type { Places } from './places.js';
import { forgetTurns, inTurn } from './turns.js';

/** How the child has ended that a run of {@link runInFork} has no result of. */
export interface ForkEnd {
  /** The child's process id; free to be used again. */
  pid: number;
  /** What the child has exited with; null if a signal has killed it. */
  exitCode: number | null;
  /** The signal that has killed the child, or null. */
  signal: string | null;
  /** The kernel has written the child's memory to a core(5) file. */
  coreDumped: boolean;
  /** What the child has used, as `process.resourceUsage()`. */
  rusage: NodeJS.ResourceUsage;
}

/** An error of {@link runInFork} that is about the child's end. */
export interface ForkEndError extends Error, ForkEnd {
  /** `ERR_FORK_ENDED`: by itself, or by another process. `ETIMEDOUT`: by the option `timeout`. */
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
    // Somebody else has waited for it.
  }
}

/** With nothing left to wait for its end by: a killed child ends soon. */
function endNow(pid: number, error: unknown): WaitEnd {
  kill(pid);
  try {
    return waitpid(pid);
  } catch {
    throw error;
  }
}

/** Those of this process. */
const runs = new Set<Run>();
/** Whose child is being made. */
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
  #timer: NodeJS.Timeout | undefined;
  #file = -1;
  /** The child, until it is waited for. */
  #pid = 0;
  #ending = false;
  /** Why the child was killed. */
  #killed: ((end: WaitEnd) => Error) | undefined;

  constructor(places: Places, plan: Plan, job: () => unknown, strict: boolean) {
    this.#places = places;
    this.#plan = plan;
    this.#job = job;
    this.#strict = strict;
  }

  begin(): Promise<unknown> {
    runs.add(this);
    this.#plan.signal?.addEventListener('abort', this.#abort);
    this.#leavePlace = this.#places.take(() => {
      this.#leaveTurn = inTurn(this.#strict, (quiet) => this.#fork(quiet));
    });
    return this.#done.promise;
  }

  /** In a copy of the process: it is the parent's, and never settles. */
  forget(closed: boolean): void {
    this.#plan.signal?.removeEventListener('abort', this.#abort);
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

  /** @returns 0 in a child whose function is not done. */
  #makeChild(quiet: boolean): number {
    const [parent, forked] = [native.getpid(), timersNow()];
    // Not what an error says: it is a hook's, and may have the `pid` of whatever it is about.
    let pid = -1;
    const make = () => {
      const made = native.fork(TIMEOUT, anyWorkers());
      pid = made.pid;
      return made;
    };
    forking = this;
    try {
      forkBy(make, this.#plan.workers);
    } catch (error) {
      if (native.getpid() !== parent) endWith(this.#file, THROWN, tell(error));
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
      const words = `the child was killed, as it ran for more than ${timeout} ms`;
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

  /** Settles, and leaves nothing behind, once the last thing is done. */
  async #end(last: () => Promise<unknown>): Promise<void> {
    this.#ending = true;
    this.#leaveTurn();
    try {
      this.#done.resolve(await last());
    } catch (error) {
      this.#done.reject(error as Error);
    } finally {
      this.#plan.signal?.removeEventListener('abort', this.#abort);
      clearTimeout(this.#timer);
      if (this.#file >= 0) closeSync(this.#file);
      runs.delete(this);
      this.#leavePlace();
    }
  }
}

/**
 * @internal Runs a function in a child, when there is a place for one.
 *
 * @param strict - what is under way must be done before: it would tell the child's event loop as well.
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
