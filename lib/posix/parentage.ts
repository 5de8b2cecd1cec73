// Between parents and children: subreapers and the signal of a parent's end, prctl(2), procctl(2).
import { isMainThread } from 'node:worker_threads';
import { native } from '../addon/native.js';
import { check, workerUnsupported } from '../base/errors.js';
import { boolean } from '../base/validate.js';
import {
  type Signal,
  type SignalName,
  signalName,
  signalNumber,
} from '../system/signal-numbers.js';
import { system } from '../system/system.js';

/**
 * Makes the process the reaper of its descendants, or ends that. A descendant whose parent ends becomes its
 * child, and not init's. Wait for it ({@link waitpid} with -1), or it stays a zombie.
 *
 * Belongs to the process, is not inherited by the children of {@link fork}, and survives exec.
 * Descendants that are orphans already stay where they are.
 *
 * @param on - true to become a subreaper, false to stop being one.
 * @throws `EINVAL` (syscall `prctl`) where the kernel has no subreapers. `TypeError` if `on` is
 *   not a boolean.
 *
 * Linux, from 3.4 on. FreeBSD: PROC_REAP_ACQUIRE, PROC_REAP_RELEASE (errors have syscall `procctl`);
 * written and compiled for it, not run on it yet.
 *
 * Source: PR_SET_CHILD_SUBREAPER(2const), prctl(2), Linux; procctl(2), FreeBSD.
 */
export function setChildSubreaper(on: boolean): void {
  check(native.setChildSubreaper(boolean(on, 'on')), system.parentageCall);
}

/**
 * Returns whether the process is a subreaper.
 *
 * @returns true if it is: see {@link setChildSubreaper}.
 * @throws as {@link setChildSubreaper}, where the system has none.
 *
 * Source: PR_GET_CHILD_SUBREAPER(2const), prctl(2), Linux; procctl(2), FreeBSD.
 */
export function getChildSubreaper(): boolean {
  return check(native.getChildSubreaper(), system.parentageCall) !== 0;
}

/**
 * Has the kernel send a signal to this process when its parent ends.
 *
 * The child calls it first of all. The parent may have ended before, so check
 * {@link getppid} after the call. The setting is **cleared** in children ({@link fork}, exec'd or not: they
 * begin without), when user or group ids change (setuid, {@link setresuid}, {@link dropPrivileges}:
 * call it after those), and by exec of a set-user-ID or set-group-ID program; it survives other
 * execs. The dying parent sends it with its own rights: one that has dropped to another user than the
 * child's cannot, and nothing comes. "Parent" is the *thread* that made this process: for children
 * of {@link fork} the main thread, which lives as long as its process. With a subreaper around, the
 * signal comes for each parent that ends.
 *
 * @param signal - a signal's name or number; null or 0 for none.
 * @throws `TypeError`, `RangeError` for what is no signal, and in a Worker
 *   (`ERR_WORKER_UNSUPPORTED_OPERATION`), as the setting is a thread's and ends with it.
 *
 * Linux. FreeBSD: PROC_PDEATHSIG_CTL (errors have syscall `procctl`), where the parent is a process
 * and the setting is the process's; written and compiled for it, not run on it yet.
 *
 * Source: PR_SET_PDEATHSIG(2const), prctl(2), Linux; procctl(2), FreeBSD.
 */
export function setParentDeathSignal(signal: Signal | null): void {
  const number = signal === null || signal === 0 ? 0 : signalNumber(signal, 'signal');
  if (!isMainThread) throw workerUnsupported('setParentDeathSignal()');
  check(native.setParentDeathSignal(number), system.parentageCall);
}

/**
 * Returns the signal that the process gets when its parent ends: see {@link setParentDeathSignal}.
 *
 * @returns the signal's name, or null for none.
 * @throws in a Worker (`ERR_WORKER_UNSUPPORTED_OPERATION`).
 *
 * Source: PR_GET_PDEATHSIG(2const), prctl(2), Linux; procctl(2), FreeBSD.
 */
export function getParentDeathSignal(): SignalName | null {
  if (!isMainThread) throw workerUnsupported('getParentDeathSignal()');
  const number = check(native.getParentDeathSignal(), system.parentageCall);
  return number === 0 ? null : signalName(number);
}
