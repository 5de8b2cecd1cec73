// A child of runInFork(), from its fork to its end.
import { readdirSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { native } from '../addon/native.js';
import { codedError, systemError } from '../base/errors.js';
import { isThenable } from '../base/validate.js';
import { UNFIT } from '../fork/refresh.js';
import { setLimits } from '../posix/rlimit.js';
import { type Cloned, clone } from './clone.js';
import { tell } from './failure.js';
import { handOver } from './handover.js';
import { asyncMark, leaveParent, silenceTimers } from './leave.js';
import type { Plan } from './options.js';
import { flushOwn } from './outputs.js';

/** The kinds of results: a value, or a thrown error. */
export const VALUE = 0;
export const THROWN = 1;

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

function exit(code: number): never {
  try {
    flushOwn();
  } catch {
    // The program has replaced these streams.
  }
  return native.exit(code & 0xff);
}

/** Writes the result and ends the process without running anything of the parent's. */
export function endWith(file: number, kind: number, value: unknown): never {
  try {
    handOver(file, ...cloneOf(kind, value));
  } catch (error) {
    native.writeAll(2, `daemonkit: the result of a forked function is lost: ${error}\n`);
    return native.exit(UNFIT);
  }
  return exit(0);
}

/** On Linux nice(2) changes only one thread, but V8's threads share the work. */
function renice(nice: number): void {
  setPriority(0, nice);
  if (process.platform !== 'linux') return;
  for (const tid of readdirSync('/proc/self/task')) setPriority(Number(tid), nice);
}

function enter({ plan, parent }: Work): void {
  native.setParentDeathSignal(constants.signals.SIGKILL);
  // The parent has exited already: the result is not needed.
  if (native.getppid() !== parent) native.exit(UNFIT);
  leaveParent(exit);
  if (plan.nice !== undefined) renice(plan.nice);
  plan.limits.forEach(setLimits);
}

function onUncaught(fail: (error: unknown) => never): void {
  try {
    process.setUncaughtExceptionCaptureCallback(null);
    process.setUncaughtExceptionCaptureCallback(fail);
  } catch {
    process.on('uncaughtException', fail); // node:domain has taken the capture callback
  }
}

/** Runs the event loop until the promise has settled. */
function live({ file, forked }: Work, mark: number, promise: PromiseLike<unknown>): void {
  silenceTimers(mark, forked);
  const fail = (error: unknown) => endWith(file, THROWN, tell(error));
  onUncaught(fail);
  process.on('beforeExit', () => {
    const words = 'the promise of the forked function cannot settle any more';
    fail(codedError(words, 'ERR_FORK_UNSETTLED'));
  });
  Promise.resolve(promise).then((value) => endWith(file, VALUE, value), fail);
}

/** The error of a child that would get the results of its parent's requests. */
export function tooBusy(): Error {
  const detail = 'the child of an async function would get the results of pending requests';
  return systemError(-constants.errno.EAGAIN, 'fork', { detail });
}

/** Runs in the child. It returns if the function has not finished yet. */
export function beChild(work: Work): void {
  try {
    enter(work);
    const mark = asyncMark();
    const result = work.job();
    if (!isThenable(result)) endWith(work.file, VALUE, result);
    if (!work.quiet) throw tooBusy();
    live(work, mark, result);
  } catch (error) {
    endWith(work.file, THROWN, tell(error));
  }
}
