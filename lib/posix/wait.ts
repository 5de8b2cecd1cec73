// Processes: waitpid(2) blocking and through the event loop, _exit(2), getpid(2), getppid(2).

import { constants } from 'node:os';
import { expectNode } from '../addon/host.js';
import { native, type Waited } from '../addon/native.js';
import { watch } from '../addon/watch.js';
import { inChildren } from '../atfork/hooks.js';
import { registry } from '../atfork/registry.js';
import { type Abortable, onAbort, waitSignal } from '../base/abort.js';
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

/** The common properties of all results of {@link waitpid}. */
interface Told {
  /**
   * The child's process id. The system may reuse it, unless the child has only stopped or resumed.
   */
  pid: number;
  /** The child's exit code, 0 to 255; null if it did not exit. */
  exitCode: number | null;
  /** The signal that killed or stopped the child, or null: `SIGTERM`, `SIGRTMIN+2`. */
  signal: SignalName | null;
  /** Whether the child is stopped, by `signal`. Only with `untraced`. */
  stopped: boolean;
  /** Whether the child was stopped and runs again. Only with `continued`. */
  continued: boolean;
  /** Whether `signal` killed the child and the kernel wrote its memory to a core(5) file. */
  coreDumped: boolean;
  /**
   * The resource usage of the child and its own reaped children, in the form of
   * `process.resourceUsage()`. On FreeBSD `maxRSS` is 0 for a child that ends before the first
   * clock tick.
   */
  rusage: NodeJS.ResourceUsage;
}

/** The child has called _exit(2), or returned from its main program: `exitCode` is not null. */
export interface WaitExited extends Told {
  exitCode: number;
  signal: null;
  stopped: false;
  continued: false;
  coreDumped: false;
}

/** A signal has ended the child: `signal` is not null, and `stopped` is false. */
export interface WaitKilled extends Told {
  exitCode: null;
  signal: SignalName;
  stopped: false;
  continued: false;
}

/** A signal has stopped the child, which continues at SIGCONT. */
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

/** The end of a child. */
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
 * Waits for a child process to end, and removes it from the process table.
 *
 * **Without `noHang` this blocks the event loop** and all JavaScript of this thread, including
 * signal listeners, until a child ends. {@link waitpidAsync} does not. If a signal interrupts the
 * wait (EINTR), the call continues it.
 *
 * Do not wait for a child of `child_process`, because libuv does that. If this call takes its
 * status, by its pid or by a wildcard, its 'exit' event never comes.
 *
 * @param pid - the child to wait for; -1: any child; 0: any child in the caller's process group;
 *   another negative number: any child in the group -pid.
 * @param opts - see {@link WaitOptions}.
 * @returns the child's new state, or null with `noHang` if no child has changed.
 * @throws `ECHILD` (syscall `waitpid`) if this process has no such child, also if other code has
 *   waited for it or SIGCHLD is ignored; `ESRCH` (Linux) if `pid` is -2^31. `TypeError`,
 *   `RangeError` if `pid` is not an integer from -2^31 to 2^31-1, or for wrong options.
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

/** For each pending wait, a function that ends it without settling it. */
const pending = new Set<() => void>();

// In a forked process the parent's children are not children. The waits can never settle, and their
// descriptors would wake the event loop and keep it alive for nothing.
inChildren((rehearsal) => {
  if (rehearsal) return;
  for (const abandon of [...pending]) abandon();
});

const { EMFILE, ENFILE, ENOMEM, ECHILD, ESRCH } = constants.errno;

/**
 * Temporary errors. All others are permanent: the call is missing (Linux before 5.3), or a seccomp
 * filter refuses it.
 */
const PASSING = [-EMFILE, -ENFILE, -ENOMEM];

/** Calls back when the process may have ended, until the returned function is called. */
function onProcessEnd(pid: number, callback: () => void): () => void {
  const fd = native.exitDescriptor(pid);
  // It was a child just before: another thread has reaped it.
  if (fd === -ESRCH) throw systemError(-ECHILD, 'waitpid');
  if (fd < 0 && !PASSING.includes(fd)) return fromTimeToTime(callback);
  check(fd, system.exitCall);
  const watched = watch(fd, callback, true, true);
  return () => watched.close();
}

/** Without a descriptor the child is polled: soon, then at growing intervals up to 50 ms. */
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
 * Waits through the event loop for a child process to end, and removes it from the process table.
 * The pending wait keeps the process alive.
 *
 * The call does not affect other children and does not catch SIGCHLD, so children of
 * `child_process` keep their 'exit' event. (Do not wait for those by their pid; see {@link
 * waitpid}.) Of several waits for one child, one gets the status and the others `ECHILD`. In a
 * child made by {@link fork} the parent's pending waits never settle, and do not keep the child
 * alive.
 *
 * @param pid - a child of this process, from 1 to 2^31-1.
 * @param opts - `signal`: an AbortSignal that ends the wait; the child is not affected.
 * @returns a promise of the child's end.
 * @throws (rejects with) `ECHILD` (syscall `waitpid`) if there is no such child; `EMFILE`, `ENFILE`
 *   or `ENOMEM` (syscall `pidfd_open`, on FreeBSD `kqueue`) if no descriptor is left; an
 *   `AbortError` (`ABORT_ERR`, with the signal's reason as `cause`) if aborted; a `TypeError` or
 *   `RangeError` for wrong arguments. After these errors you can still wait for the child.
 *
 * Linux: pidfd_open(2), from 5.3 on. Before, or if a seccomp filter refuses it, the call polls the
 * child at least every 50 ms. FreeBSD: kqueue(2) with EVFILT_PROC; this function was not run there.
 *
 * Source: waitpid(2), POSIX.1; pidfd_open(2), Linux.
 */
export async function waitpidAsync(pid: number, opts?: Abortable): Promise<WaitEnd> {
  integer(pid, 'pid', 1);
  const signal = waitSignal(opts);
  expectNode('waitpidAsync()', 'waitpid');
  // First, because a child that has ended needs no descriptor, and the pid of another process must
  // not get one.
  const ended = waitpid(pid, { noHang: true });
  return ended ?? untilEnded(pid, signal);
}

function untilEnded(pid: number, signal: AbortSignal | undefined): Promise<WaitEnd> {
  return new Promise((resolve, reject) => {
    const look = () => {
      try {
        const result = waitpid(pid, { noHang: true });
        // Null: the child has a tracer, which gets the status first.
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
    const unwatch = onAbort(signal, abort);
    const finish = () => {
      close();
      registry.waits.delete(wait);
      pending.delete(finish);
      unwatch();
    };
    pending.add(finish);
    registry.waits.add(wait);
  });
}

/**
 * Ends the process at once: 'exit' listeners and atexit(3) handlers do not run, and buffered output
 * is not written. Use it in a child of {@link fork} that must not run its parent's handlers.
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
 * Returns the process id from the kernel. Unlike `process.pid` it is right even in a copy of the
 * process that was not made by {@link fork}.
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
 * Returns the parent's process id from the kernel. After the parent has ended, it is that of init
 * or of the nearest subreaper. It is 0 if the parent is outside of the pid namespace.
 *
 * @returns the pid.
 * @throws nothing.
 *
 * Source: getppid(2), POSIX.1; prctl(2), PR_SET_CHILD_SUBREAPER. The same on Linux and FreeBSD.
 */
export function getppid(): number {
  return native.getppid();
}
