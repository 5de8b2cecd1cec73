// Processes: waitpid(2) blocking and through the event loop, _exit(2), getpid(2), getppid(2).

import { constants } from 'node:os';
import { expectNode } from '../addon/host.js';
import { native, type Waited } from '../addon/native.js';
import { watch } from '../addon/watch.js';
import { inChildren } from '../atfork/hooks.js';
import { registry } from '../atfork/registry.js';
import { type Abortable, waitSignal } from '../base/abort.js';
import { abortError, check, systemError } from '../base/errors.js';
import { clearTimeout, setTimeout } from '../base/timers.js';
import { boolean, integer, options } from '../base/validate.js';
import { type SignalName, signalName } from '../system/signal-numbers.js';
import { system } from '../system/system.js';

/** Options of {@link waitpid}; each is false by default. */
export interface WaitOptions {
  /** Return null at once if no child has changed its state (WNOHANG). */
  noHang?: boolean | undefined;
  /** Also return for children that a signal has stopped (WUNTRACED). */
  untraced?: boolean | undefined;
  /** Also return for stopped children that SIGCONT has resumed (WCONTINUED). */
  continued?: boolean | undefined;
}

/** What all results of {@link waitpid} have. */
interface Told {
  /** The child's process id; free to be used again, unless the child has only stopped or resumed. */
  pid: number;
  /** What the child exited with, 0 to 255; null if it did not exit. */
  exitCode: number | null;
  /** The signal that killed or stopped the child, or null: `SIGTERM`, `SIGRTMIN+2`. */
  signal: SignalName | null;
  /** The child is stopped, by `signal`. Only with `untraced`. */
  stopped: boolean;
  /** The child was stopped and runs again. Only with `continued`. */
  continued: boolean;
  /** `signal` killed the child, and the kernel has written its memory to a core(5) file. */
  coreDumped: boolean;
  /**
   * What the child and its own waited-for children have used, as `process.resourceUsage()`. On FreeBSD `maxRSS` is 0
   * for a child that ends before the first clock tick.
   */
  rusage: NodeJS.ResourceUsage;
}

/** The child has called _exit(2), or returned from its main program: `exitCode` is no null. */
export interface WaitExited extends Told {
  exitCode: number;
  signal: null;
  stopped: false;
  continued: false;
  coreDumped: false;
}

/** A signal has ended the child: `signal` is no null, and `stopped` is false. */
export interface WaitKilled extends Told {
  exitCode: null;
  signal: SignalName;
  stopped: false;
  continued: false;
}

/** A signal has stopped the child, which goes on at SIGCONT. */
export interface WaitStopped extends Told {
  exitCode: null;
  signal: SignalName;
  stopped: true;
  continued: false;
  coreDumped: false;
}

/** The child was stopped and runs again. */
export interface WaitContinued extends Told {
  exitCode: null;
  signal: null;
  stopped: false;
  continued: true;
  coreDumped: false;
}

/** How a child has ended. */
export type WaitEnd = WaitExited | WaitKilled;

/** A child's change of state: it exited, was killed, stopped or resumed. */
export type WaitResult = WaitEnd | WaitStopped | WaitContinued;

function waitResult(waited: Waited): WaitResult {
  const { exitCode, signal } = waited;
  return {
    ...waited,
    exitCode: exitCode < 0 ? null : exitCode,
    signal: signal === 0 ? null : signalName(signal),
  } as WaitResult;
}

/**
 * Waits for a child process to end, and takes it out of the process table.
 *
 * **Without `noHang` this blocks the event loop**, all JavaScript of this thread included, signal
 * listeners too, until a child ends; {@link waitpidAsync} does not. Interruptions by signals
 * (EINTR) are not seen: the wait goes on.
 *
 * A child started by `child_process` is libuv's to wait for. If its status is taken here, by its pid
 * or by one of the wildcards, its 'exit' event never comes.
 *
 * @param pid - the child to wait for; -1 any child, 0 any of the caller's process group, another
 *   negative number any of the group -pid.
 * @param opts - see {@link WaitOptions}.
 * @returns what became of the child, or null with `noHang` if nothing has changed.
 * @throws `ECHILD` (syscall `waitpid`) if there is no such child of this process, also when
 *   other code has waited for it or SIGCHLD is ignored; `ESRCH` (Linux) if `pid` is -2^31.
 *   `TypeError`, `RangeError` if `pid` is not an integer from -2^31 to 2^31-1, or for wrong options.
 *
 * Source: waitpid(2), POSIX.1; the usage: wait4(2), 4.3BSD. The same on Linux and FreeBSD.
 */
export function waitpid(
  pid: number,
  opts?: {
    noHang?: false | undefined;
    untraced?: false | undefined;
    continued?: false | undefined;
  },
): WaitEnd;
export function waitpid(
  pid: number,
  opts: {
    noHang?: boolean | undefined;
    untraced?: false | undefined;
    continued?: false | undefined;
  },
): WaitEnd | null;
export function waitpid(
  pid: number,
  opts: WaitOptions & { noHang?: false | undefined },
): WaitResult;
export function waitpid(pid: number, opts?: WaitOptions): WaitResult | null;
export function waitpid(pid: number, opts?: WaitOptions): WaitResult | null {
  integer(pid, 'pid');
  const known = ['noHang', 'untraced', 'continued'] as const;
  const { noHang = false, untraced = false, continued = false } = options<WaitOptions>(opts, known);
  boolean(noHang, 'options.noHang');
  boolean(untraced, 'options.untraced');
  boolean(continued, 'options.continued');
  const waited = native.waitpid(pid, noHang, untraced, continued);
  if (typeof waited === 'number') throw systemError(waited, 'waitpid');
  if (waited !== null && !waited.stopped && !waited.continued) registry.children.delete(waited.pid);
  return waited === null ? null : waitResult(waited);
}

/** What ends each of the waits that have not settled, without settling it. */
const pending = new Set<() => void>();

// In a copy of the process the parent's children are nobody's children: the waits can never settle,
// and their descriptors would wake and hold the event loop for nothing.
inChildren((rehearsal) => {
  if (rehearsal) return;
  for (const abandon of [...pending]) abandon();
});

const { EMFILE, ENFILE, ENOMEM, ECHILD, ESRCH } = constants.errno;

/** Passing troubles. Any other refusal stays: no such call (Linux before 5.3), or a seccomp filter. */
const PASSING = [-EMFILE, -ENFILE, -ENOMEM];

/** Calls back when the process may have ended, until the returned function is called. */
function onProcessEnd(pid: number, callback: () => void): () => void {
  const fd = native.exitDescriptor(pid);
  // It was our child a moment ago: another thread has waited for it since.
  if (fd === -ESRCH) throw systemError(-ECHILD, 'waitpid');
  if (fd < 0 && !PASSING.includes(fd)) return fromTimeToTime(callback);
  check(fd, system.exitCall);
  const watched = watch(fd, callback, true, true);
  return () => watched.close();
}

/** Without a descriptor the child is looked at: soon, then at longer intervals up to 50 ms. */
function fromTimeToTime(callback: () => void): () => void {
  let timer: NodeJS.Timeout;
  const after = (delay: number) => {
    timer = setTimeout(() => {
      after(Math.min(2 * delay, 50));
      callback();
    }, delay);
  };
  after(1);
  return () => clearTimeout(timer);
}

/**
 * Waits through the event loop for a child process to end, and takes it out of the process table.
 * The pending wait keeps the process alive.
 *
 * Other children are not looked at and no SIGCHLD is caught, so children of `child_process` keep their 'exit' event. (Do not wait for those by their own
 * pid; see {@link waitpid}.) Of several waits for one child, one gets the status and the others
 * `ECHILD`. In a child made by {@link fork} the parent's pending waits never settle, and do not keep
 * it alive.
 *
 * @param pid - a child of this process, from 1 to 2^31-1.
 * @param opts - `signal`: an AbortSignal that ends the wait; the child is left as it is.
 * @returns a promise of how the child has ended.
 * @throws (rejects with) `ECHILD` (syscall `waitpid`) if there is no such child; `EMFILE`, `ENFILE` or
 *   `ENOMEM` (syscall `pidfd_open`, on FreeBSD `kqueue`) if there is no descriptor left; an `AbortError` (`ABORT_ERR`), its cause the signal's reason, when aborted; a
 *   `TypeError` or `RangeError` for wrong arguments. The child can still be waited for then.
 *
 * Linux: pidfd_open(2), from 5.3 on; before, or where a filter refuses it, the child is looked at every
 * 50 ms at the least. FreeBSD: kqueue(2) with EVFILT_PROC; written and compiled for it,
 * not yet run there.
 *
 * Source: waitpid(2), POSIX.1; pidfd_open(2), Linux.
 */
export async function waitpidAsync(pid: number, opts?: Abortable): Promise<WaitEnd> {
  integer(pid, 'pid', 1);
  const signal = waitSignal(opts);
  expectNode('waitpidAsync()', 'waitpid');
  // First, because a child that has ended needs no descriptor, and a stranger shall not have one.
  const ended = waitpid(pid, { noHang: true });
  return ended ?? untilEnded(pid, signal);
}

function untilEnded(pid: number, signal: AbortSignal | undefined): Promise<WaitEnd> {
  return new Promise((resolve, reject) => {
    const look = () => {
      try {
        const result = waitpid(pid, { noHang: true });
        // Null: the child has a tracer, which is told first.
        if (result === null) return;
        resolve(result);
      } catch (error) {
        reject(error);
      }
      finish();
    };
    const abort = () => {
      reject(abortError(signal as AbortSignal));
      finish();
    };
    const close = onProcessEnd(pid, look);
    const wait = { pid };
    const finish = () => {
      close();
      registry.waits.delete(wait);
      pending.delete(finish);
      signal?.removeEventListener('abort', abort);
    };
    pending.add(finish);
    registry.waits.add(wait);
    signal?.addEventListener('abort', abort);
  });
}

/**
 * Ends the process at once: no 'exit' listeners, no atexit(3) handlers, nothing buffered is written.
 * What a child of {@link fork} calls when its parent's handlers are not its own to run.
 *
 * @param code - the exit status, 0 to 255.
 * @throws `TypeError`, `RangeError` if `code` is not an integer from 0 to 255.
 *
 * Source: _exit(2), POSIX.1. The same on Linux and FreeBSD.
 */
export function _exit(code: number): never {
  return native.exit(integer(code, 'code', 0, 255));
}

/**
 * Returns the process id, as the kernel has it: unlike `process.pid` also right in a copy of the
 * process that something other than {@link fork} made.
 *
 * @returns the pid.
 * @throws nothing.
 *
 * Source: getpid(2), POSIX.1. The same on Linux and FreeBSD.
 */
export function getpid(): number {
  return native.getpid();
}

/**
 * Returns the parent's process id, as the kernel has it: that of init, or of the nearest subreaper,
 * once the parent has ended; 0 if the parent is outside of the pid namespace.
 *
 * @returns the pid.
 * @throws nothing.
 *
 * Source: getppid(2), POSIX.1; prctl(2), PR_SET_CHILD_SUBREAPER. The same on Linux and FreeBSD.
 */
export function getppid(): number {
  return native.getppid();
}
