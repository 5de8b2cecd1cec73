// Processes by descriptor, which no other process can come to have: pidfd_open(2).

import { native } from '../addon/native.js';
import { check } from '../base/errors.js';
import { fileDescriptor, integer } from '../base/validate.js';
import { type Signal, signalNumber } from '../system/signal-numbers.js';

/**
 * Opens a descriptor that stands for a process: unlike its pid it can never come to mean another
 * one. It becomes readable when the process ends. Close it with `fs.closeSync()`.
 *
 * A child cannot lose its pid until it is waited for; for any other process make sure, after the
 * call, that it is the one that was meant (its start time, its parent).
 *
 * @param pid - process id, from 1 to 2^31-1.
 * @returns a close-on-exec descriptor.
 * @throws `ESRCH` (syscall `pidfd_open`) if there is no such process; `EMFILE`, `ENFILE`; `ENOSYS`
 *   where the system has no such call. `TypeError`, `RangeError` if `pid` is not an integer from 1
 *   to 2^31-1.
 *
 * Linux, from 5.3 on. FreeBSD has process descriptors for the children of pdfork(2) only.
 *
 * Source: pidfd_open(2), Linux.
 */
export function pidfdOpen(pid: number): number {
  return check(native.pidfdOpen(integer(pid, 'pid', 1)), 'pidfd_open');
}

/**
 * Sends a signal to the process that a descriptor stands for, and to no other: where it has ended
 * meanwhile the answer is an error, even if its pid belongs to another process by now.
 *
 * @param pidfd - a descriptor of {@link pidfdOpen}.
 * @param signal - a signal's name or number; 0 only asks whether a signal could be sent.
 * @throws `ESRCH` (syscall `pidfd_send_signal`) if the process has ended and been waited for;
 *   `EPERM` without permission; `EBADF` if `pidfd` is not open, or not of a process; `ENOSYS` where
 *   the system has no such call. `TypeError`, `RangeError` for what is no descriptor or no signal.
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
