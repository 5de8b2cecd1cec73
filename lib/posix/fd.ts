// Descriptors: dup(2), dup2(2), getdtablesize(3), closefrom(2), close_range(2).

import { native } from '../addon/native.js';
import { check } from '../base/errors.js';
import { boolean, fileDescriptor, integer, options, UINT_MAX } from '../base/validate.js';
import { standardPlaced } from './standard.js';

/** {@link native.closeRange}'s last argument for everybody but the tests: the best way there is. */
const ANY_METHOD = 0;

/**
 * Duplicates a descriptor on the lowest free number. The two share one open file: offset, status
 * flags (O_NONBLOCK) and locks.
 *
 * The duplicate is *not* close-on-exec, unlike every descriptor that Node itself opens: programs
 * started by `child_process` inherit it, until `closeRange(fd, fd, { cloexec: true })`.
 *
 * @param fd - an open descriptor.
 * @returns the new descriptor. It is the caller's to close, with `fs.closeSync()`.
 * @throws `EBADF` (syscall `dup`) if `fd` is not open, `EMFILE` if {@link getdtablesize} descriptors
 *   are. `TypeError`, `RangeError` if `fd` is not an integer from 0 to 2^31-1.
 *
 * Source: dup(2), POSIX.1. The same on Linux and FreeBSD.
 */
export function dup(fd: number): number {
  return check(native.dup(fileDescriptor(fd)), 'dup');
}

/**
 * Makes one descriptor number refer to another's open file, closing first, in the same step, what
 * was there; equal numbers change nothing.
 *
 * `newFd` is *not* close-on-exec afterwards, whatever it was before. Nothing stops `newFd` from
 * being one that Node or libuv works with (their event loop's, a socket's, a worker's): take only
 * numbers you know, as 0, 1 and 2.
 *
 * @param oldFd - an open descriptor.
 * @param newFd - the number that it gets too, open or not.
 * @returns `newFd`.
 * @throws `EBADF` (syscall `dup2`) if `oldFd` is not open or `newFd` is not below
 *   {@link getdtablesize}; nothing was closed then. `EBUSY` (Linux) if another thread is just
 *   opening that number. `TypeError`, `RangeError` if an argument is not an integer from 0 to
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
 * Returns how many descriptors the process may have: every number it is given is below this.
 *
 * @returns the soft limit RLIMIT_NOFILE, at most 2^31-1. Node raises it to the hard limit when it
 *   starts, so expect 1,048,576 or more where the shell's `ulimit -n` says 1,024. Descriptors opened
 *   under an earlier, higher limit can lie above it.
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
 * pipes, every socket and file that JavaScript objects still hold. Node aborts, or hangs, as soon as
 * it comes back to its event loop; what can still be done is synchronous work on other descriptors
 * and {@link _exit}. A server that wants rid of what its launcher leaked wants `closeInherited()`.
 *
 * @param lowest - the first descriptor to close.
 * @throws `TypeError`, `RangeError` if `lowest` is not an integer from 0 to 2^31-1. Holes, and
 *   descriptors whose close fails, are passed over.
 *
 * Linux: close_range(2), which takes microseconds whatever the limit; before 5.9, or where a seccomp
 * filter refuses it, the numbers in /proc/self/fd; without /proc, every number below
 * {@link getdtablesize}, which leaves open what lies above it.
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
 * @param last - the last one, itself included; it may lie beyond the highest open descriptor. 2^32-1
 *   stands for all.
 * @param opts - `cloexec`: mark them instead of closing them; see {@link CloseRangeOptions}.
 * @throws `TypeError`, `RangeError` if an argument is not an integer from 0 to 2^32-1, or `last` is
 *   below `first`; `TypeError` for wrong options. Holes, and descriptors whose close fails, are
 *   passed over.
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
