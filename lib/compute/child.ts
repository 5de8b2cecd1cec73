// A child of runInFork(), from its fork to its end.
import { ftruncateSync, readdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { inspect } from 'node:util';
import { native } from '../addon/native.js';
import { codedError, systemError } from '../base/errors.js';
import { isThenable } from '../base/validate.js';
import { UNFIT } from '../fork/refresh.js';
import { setLimits } from '../posix/rlimit.js';
import { type Cloned, clone } from './clone.js';
import { tell } from './failure.js';
import { handOver } from './handover.js';
import { asyncMark, type Left, leaveParent, ownTimers, PARENT, silenceTimers } from './leave.js';
import type { Plan } from './options.js';
import { flushOwn } from './outputs.js';

/** The kinds of results: a value, or a thrown error. */
export const VALUE = 0;
export const THROWN = 1;

/** The pid of this process, if it is the child of a run. */
let child = 0;

/** The process in which a function runs; in a rehearsal nothing happens to the real one. */
export interface Process extends Left {
  /** Binds the child's life to the parent's. */
  begin(parent: number): void;
  /** Whether it is a fork that the function has made. */
  isCopy(): boolean;
  /** _exit(2) */
  end(code: number): never;
}

const SELF: Process = {
  ...PARENT,
  begin(parent) {
    child = native.getpid();
    native.setParentDeathSignal(constants.signals.SIGKILL);
    // The parent has exited already: the result is not needed.
    if (native.getppid() !== parent) native.exit(UNFIT);
  },
  isCopy: () => child !== 0 && native.getpid() !== child,
  end: (code) => native.exit(code),
};

export interface Work {
  job: () => unknown;
  plan: Plan;
  /** The descriptor for the result. */
  file: number;
  parent: number;
  /** The time of the fork, on the timers' clock. */
  forked: number;
  /** No request was pending at the fork except fork()'s own mark in the queue. */
  quiet: boolean;
}

function cloneOf(kind: number, value: unknown): [kind: number, cloned: Cloned] {
  try {
    return [kind, clone(value)];
  } catch (error) {
    return [THROWN, clone(tell(error))];
  }
}

function exit(code: number, self = SELF): never {
  try {
    flushOwn(self.outputs);
  } catch {
    // The program has replaced these streams.
  }
  return self.end(code & 0xff);
}

/** Writes the result; where there is no room for it, the reason. */
function deliver(file: number, kind: number, value: unknown): void {
  try {
    handOver(file, ...cloneOf(kind, value));
  } catch (error) {
    // The limit FSIZE is that of this file, too: what has been written must not count.
    ftruncateSync(file);
    handOver(file, THROWN, clone(tell(error)));
  }
}

/** In a fork that the function has made: only the child itself has a result. */
function endCopy(kind: number, value: unknown): never {
  if (kind === THROWN) native.writeAll(2, `${inspect(value)}\n`);
  return exit(kind === THROWN ? 1 : 0);
}

/** Writes the result and ends the process without running anything of the parent's. */
export function endWith(file: number, kind: number, value: unknown, self = SELF): never {
  if (self.isCopy()) return endCopy(kind, value);
  try {
    deliver(file, kind, kind === THROWN ? tell(value) : value);
  } catch (error) {
    if (self.rehearsal) throw error;
    native.writeAll(2, `daemonkit: the result of a forked function is lost: ${error}\n`);
    return native.exit(UNFIT);
  }
  return exit(0, self);
}

/** For an error at the fork, in the child. */
export function endAtFork(file: number, error: unknown): never {
  child = native.getpid();
  return endWith(file, THROWN, error);
}

/** On Linux nice(2) changes only one thread, but V8's threads share the work. */
function renice(nice: number): void {
  setPriority(0, nice);
  if (process.platform !== 'linux') return;
  for (const tid of readdirSync('/proc/self/task')) setPriority(Number(tid), nice);
}

/** @returns whether timers of the parent keep the event loop alive. */
function enter({ plan, parent }: Work, self: Process): boolean {
  self.begin(parent);
  const timed = leaveParent(self, (code) => exit(code));
  if (plan.nice !== undefined) renice(plan.nice);
  plan.limits.forEach(setLimits);
  return timed;
}

function onUncaught(fail: (error: unknown) => never): void {
  try {
    process.setUncaughtExceptionCaptureCallback(null);
    process.setUncaughtExceptionCaptureCallback(fail);
  } catch {
    process.on('uncaughtException', fail); // node:domain has taken the capture callback
  }
}

/**
 * Runs the event loop until the promise has settled.
 *
 * @param onIdle - calls back when only timers of the parent keep the event loop alive.
 */
function live(
  { file, forked }: Work,
  mark: number,
  promise: PromiseLike<unknown>,
  onIdle: ((idle: () => void) => void) | undefined,
): void {
  silenceTimers(mark, forked);
  const fail = (error: unknown) => endWith(file, THROWN, error);
  onUncaught(fail);
  const idle = () => {
    // A fork that the function has made need not settle anything.
    if (native.getpid() !== child) exit(0);
    const words = 'the promise of the forked function cannot settle any more';
    fail(codedError(words, 'ERR_FORK_UNSETTLED'));
  };
  process.on('beforeExit', idle);
  onIdle?.(idle);
  Promise.resolve(promise).then((value) => endWith(file, VALUE, value), fail);
}

/** The error of a child that would get the results of its parent's requests. */
export function tooBusy(): Error {
  const detail = 'the child of an async function would get the results of pending requests';
  return systemError(-constants.errno.EAGAIN, 'fork', { detail });
}

/** Runs in the child. It returns if the function has not finished yet. */
export function beChild(work: Work, self = SELF): void {
  try {
    const timed = enter(work, self);
    const onIdle = timed ? ownTimers() : undefined;
    const mark = asyncMark();
    const result = work.job();
    if (!isThenable(result)) endWith(work.file, VALUE, result, self);
    if (!work.quiet) throw tooBusy();
    live(work, mark, result, onIdle);
  } catch (error) {
    endWith(work.file, THROWN, error, self);
  }
}
