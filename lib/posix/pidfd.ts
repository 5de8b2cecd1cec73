// Processes by descriptor, which is never reused for another process: pidfd_open(2).

import { native } from '../addon/native.js';
import { check } from '../base/errors.js';
import { fileDescriptor, integer } from '../base/validate.js';
import { type Signal, signalNumber } from '../system/signal-numbers.js';

/**
 * Opens a descriptor that refers to a process. Unlike a pid, it never refers to another process
 * later. It becomes readable when the process ends. Close it with `fs.closeSync()`.
 *
 * The pid of a child is not reused before you wait for the child. For any other process, check
 * after the call that it is the right one (its start time, its parent).
 *
 * @param pid - process id, from 1 to 2^31-1.
 * @returns a close-on-exec descriptor.
 * @throws `ESRCH` (syscall `pidfd_open`) if there is no such process; `EMFILE`, `ENFILE`; `ENOSYS`
 *   if the system has no such call. `TypeError`, `RangeError` if `pid` is not an integer from 1 to
 *   2^31-1.
 *
 * Linux, from 5.3 on. FreeBSD has process descriptors for the children of pdfork(2) only.
 *
 * Source: pidfd_open(2), Linux.
 */
export function pidfdOpen(pid: number): number {
  return check(native.pidfdOpen(integer(pid, 'pid', 1)), 'pidfd_open');
}

/**
 * Sends a signal to the process to which a descriptor refers, and to no other. If that process has
 * ended, the call fails, even if its pid belongs to another process now.
 *
 * @param pidfd - a descriptor of {@link pidfdOpen}.
 * @param signal - a signal's name or number; 0 only checks whether a signal can be sent.
 * @throws `ESRCH` (syscall `pidfd_send_signal`) if the process has ended and was reaped; `EPERM`
 *   without permission; `EBADF` if `pidfd` is not open, or does not refer to a process; `ENOSYS` if
 *   the system has no such call. `TypeError`, `RangeError` for a wrong descriptor or signal.
 *
 * Linux, from 5.1 on.
 *
 * Source: pidfd_send_signal(2), Linux; kill(2).
 */
export function pidfdSendSignal(pidfd: number, signal: Signal): void {
  fileDescriptor(pidfd, 'pidfd');
  const number = signal === 0 ? 0 : signalNumber(signal, 'signal');
  check(native.pidfdSendSignal(pidfd, number), 'pidfd_send_signal');
}
