// Descriptors: dup(2), dup2(2), getdtablesize(3), closefrom(2), close_range(2).

import { native } from '../addon/native.js';
import { check } from '../base/errors.js';
import { boolean, fileDescriptor, integer, options, UINT_MAX } from '../base/validate.js';
import { standardPlaced } from './standard.js';

/**
 * The last argument of {@link native.closeRange}: the best available way. Only tests use another
 * one.
 */
const ANY_METHOD = 0;

/**
 * Duplicates a descriptor to the lowest free number. Both refer to the same open file and share its
 * offset, status flags (O_NONBLOCK) and locks.
 *
 * The duplicate is *not* close-on-exec, unlike all descriptors that Node itself opens. Programs
 * started by `child_process` inherit it, unless you call `closeRange(fd, fd, { cloexec: true })`.
 *
 * @param fd - an open descriptor.
 * @returns the new descriptor. Close it with `fs.closeSync()`.
 * @throws `EBADF` (syscall `dup`) if `fd` is not open, `EMFILE` if {@link getdtablesize}
 *   descriptors are open. `TypeError`, `RangeError` if `fd` is not an integer from 0 to 2^31-1.
 *
 * Source: dup(2), POSIX.1. The same on Linux and FreeBSD.
 */
export function dup(fd: number): number {
  return check(native.dup(fileDescriptor(fd)), 'dup');
}

/**
 * Makes one descriptor number refer to another's open file. If the number was open, its old file is
 * closed in the same step. Equal numbers change nothing.
 *
 * Afterwards `newFd` is *not* close-on-exec, even if it was before. The call does not check whether
 * Node or libuv uses `newFd` (for an event loop, a socket or a worker): use only numbers that you
 * know, such as 0, 1 and 2.
 *
 * @param oldFd - an open descriptor.
 * @param newFd - the number that refers to the same file afterwards; open or not.
 * @returns `newFd`.
 * @throws `EBADF` (syscall `dup2`) if `oldFd` is not open or `newFd` is not below {@link
 *   getdtablesize}; then nothing is closed. `EBUSY` (Linux) if another thread is opening that
 *   number at the moment. `TypeError`, `RangeError` if an argument is not an integer from 0 to
 *   2^31-1.
 *
 * Source: dup2(2), POSIX.1; daemon(7) step 9. The same on Linux and FreeBSD.
 */
export function dup2(oldFd: number, newFd: number): number {
  const fd = check(
    native.dup2(fileDescriptor(oldFd, 'oldFd'), fileDescriptor(newFd, 'newFd')),
    'dup2',
  );
  standardPlaced(fd);
  return fd;
}

/**
 * Returns how many descriptors the process may have. Every new descriptor is below this number.
 *
 * @returns the soft limit RLIMIT_NOFILE, at most 2^31-1. Node raises it to the hard limit when it
 *   starts, so expect 1,048,576 or more where the shell's `ulimit -n` shows 1,024. Descriptors that
 *   were opened under an earlier, higher limit can be above it.
 * @throws nothing.
 *
 * Source: getdtablesize(3), 4.4BSD; getrlimit(2), POSIX.1. The same on Linux and FreeBSD.
 */
export function getdtablesize(): number {
  return check(native.getdtablesize(), 'getrlimit');
}

/**
 * Closes every descriptor from a number up.
 *
 * **This closes the runtime's own descriptors too**: the event loop's epoll, the threads' wake-up
 * pipes, every socket and file that JavaScript objects still hold. Node aborts or hangs as soon as
 * it returns to its event loop. Only synchronous work on other descriptors and {@link _exit} are
 * still possible. To close what the launcher of a server has leaked, use `closeInherited()`.
 *
 * @param lowest - the first descriptor to close.
 * @throws `TypeError`, `RangeError` if `lowest` is not an integer from 0 to 2^31-1. Unused numbers,
 *   and errors of close(2), are ignored.
 *
 * Linux: close_range(2), which takes microseconds for any limit. Before 5.9, or if a seccomp filter
 * refuses it: the numbers in /proc/self/fd. Without /proc: every number below {@link
 * getdtablesize}; higher ones stay open.
 *
 * Source: closefrom(2), FreeBSD, also glibc; daemon(7) step 1.
 */
export function closefrom(lowest: number): void {
  check(
    native.closeRange(fileDescriptor(lowest, 'lowest'), UINT_MAX, false, ANY_METHOD),
    'closefrom',
  );
}

/** Options of {@link closeRange}. */
export interface CloseRangeOptions {
  /** Only mark the descriptors close-on-exec, and leave them open. Default: false. */
  cloexec?: boolean | undefined;
}

/**
 * Closes the descriptors of a range, or marks them close-on-exec.
 *
 * **Without `cloexec` this closes the runtime's own descriptors too**, with the consequences described at
 * {@link closefrom}. With `cloexec` it does no harm.
 *
 * @param first - the first descriptor of the range.
 * @param last - the last descriptor of the range, inclusive. It may be above the highest open
 *   descriptor; 2^32-1 means all.
 * @param opts - `cloexec`: mark them instead of closing them; see {@link CloseRangeOptions}.
 * @throws `TypeError`, `RangeError` if an argument is not an integer from 0 to 2^32-1, or `last` is
 *   below `first`; `TypeError` for wrong options. Unused numbers, and errors of close(2), are
 *   ignored.
 *
 * Linux: as {@link closefrom}; the flag needs Linux 5.11 in close_range(2).
 *
 * Source: close_range(2), Linux and FreeBSD.
 */
export function closeRange(first: number, last: number, opts?: CloseRangeOptions): void {
  integer(first, 'first', 0, UINT_MAX);
  integer(last, 'last', first, UINT_MAX);
  const { cloexec = false } = options<CloseRangeOptions>(opts, ['cloexec']);
  boolean(cloexec, 'options.cloexec');
  check(native.closeRange(first, last, cloexec, ANY_METHOD), 'close_range');
}
