// Subreapers and the parent death signal: prctl(2), procctl(2).
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
 * Makes the process a subreaper, or ends that. If the parent of a descendant ends, the descendant
 * becomes a child of the subreaper instead of init. Wait for such children ({@link waitpid} with -1
 * or {@link reapOrphans}); otherwise they stay zombies.
 *
 * The setting belongs to the process, survives exec, and is not inherited by children of {@link
 * fork}. Existing orphans keep their parent.
 *
 * @param on - true to become a subreaper, false to stop being one.
 * @throws `EINVAL` (syscall `prctl`) if the kernel has no subreapers. `TypeError` if `on` is not a
 *   boolean.
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
 * @returns whether it is: see {@link setChildSubreaper}.
 * @throws as {@link setChildSubreaper}, if the kernel has no subreapers.
 *
 * Source: PR_GET_CHILD_SUBREAPER(2const), prctl(2), Linux; procctl(2), FreeBSD.
 */
export function getChildSubreaper(): boolean {
  return check(native.getChildSubreaper(), system.parentageCall) !== 0;
}

/**
 * Makes the kernel send a signal to this process when its parent ends.
 *
 * Call it first in the child. The parent may have ended before, so check {@link getppid} after the
 * call. The setting is **cleared** in children of this process (with or without exec), when user or
 * group ids change (setuid, {@link setresuid}, {@link dropPrivileges}: call it after those), and by
 * exec of a set-user-ID or set-group-ID program. It survives other execs. The kernel sends the
 * signal with the permissions of the parent: if the parent has changed to another user, the signal
 * does not come. "Parent" is the *thread* that made this process. For children of {@link fork} it
 * is the main thread, which lives as long as its process. If the process moves to a subreaper, the
 * signal comes again when that ends.
 *
 * @param signal - a signal's name or number; null or 0 for none.
 * @throws `TypeError`, `RangeError` for anything except a signal, and in a Worker
 *   (`ERR_WORKER_UNSUPPORTED_OPERATION`), because the setting belongs to a thread and ends with it.
 *
 * Linux. FreeBSD: PROC_PDEATHSIG_CTL (errors have syscall `procctl`), where the parent is a process
 * and the setting belongs to the process; written and compiled for it, not run on it yet.
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
