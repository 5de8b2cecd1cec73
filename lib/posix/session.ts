// Sessions and process groups: setsid(2), getsid(2), setpgid(2), getpgid(2).

import { native } from '../addon/native.js';
import { check } from '../base/errors.js';
import { integer } from '../base/validate.js';

/**
 * Makes the calling process the leader of a new session and a new process group, without a
 * controlling terminal.
 *
 * @returns the new session id, which is the caller's pid.
 * @throws `EPERM` (syscall `setsid`) if the caller already leads a process group. Call it in a
 *   child of {@link fork}, which never leads one.
 *
 * Source: setsid(2), POSIX.1; daemon(7) step 6. The same on Linux and FreeBSD.
 */
export function setsid(): number {
  return check(native.setsid(), 'setsid');
}

/**
 * Returns the session of a process.
 *
 * @param pid - process id; 0, the default, is the caller.
 * @returns the session id of `pid`: the pid of the session's leader.
 * @throws `ESRCH` (syscall `getsid`) if there is no such process. `RangeError` if `pid` is not an
 *   integer from 0 to 2^31-1.
 *
 * Source: getsid(2), POSIX.1. FreeBSD and OpenBSD may return `EPERM` for another session.
 */
export function getsid(pid = 0): number {
  return check(native.getsid(integer(pid, 'pid', 0)), 'getsid');
}

/**
 * Puts a process into a process group.
 *
 * @param pid - the process to move: the caller or a child of it that has not called exec; 0 is the
 *   caller.
 * @param pgid - the group to join, or to create if it equals `pid`; 0 means `pid`.
 * @throws `EPERM` (syscall `setpgid`) if `pid` leads a session or the group belongs to another one,
 *   `EACCES` if the child has already called exec, `ESRCH` if `pid` is neither the caller nor its
 *   child. `RangeError` if an argument is not an integer from 0 to 2^31-1.
 *
 * Source: setpgid(2), POSIX.1. The same on Linux and FreeBSD.
 */
export function setpgid(pid = 0, pgid = 0): void {
  check(native.setpgid(integer(pid, 'pid', 0), integer(pgid, 'pgid', 0)), 'setpgid');
}

/**
 * Returns the process group of a process.
 *
 * @param pid - process id; 0, the default, is the caller.
 * @returns the process group id of `pid`.
 * @throws `ESRCH` (syscall `getpgid`) if there is no such process. `RangeError` if `pid` is not an
 *   integer from 0 to 2^31-1.
 *
 * Source: getpgid(2), POSIX.1. The same on Linux and FreeBSD.
 */
export function getpgid(pid = 0): number {
  return check(native.getpgid(integer(pid, 'pid', 0)), 'getpgid');
}
