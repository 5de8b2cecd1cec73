// The process that is proven to hold a pidfile. No other process is ever signalled.
import { type BigIntStats, closeSync } from 'node:fs';
import { native } from '../addon/native.js';
import { readableWithin } from '../addon/watch.js';
import { check, type SystemError, systemError } from '../base/errors.js';
import { pidfdSendSignal } from '../posix/pidfd.js';
import type { Signal } from '../system/signal-numbers.js';
import { system } from '../system/system.js';
import { holdsLock, startTicks, startTime } from './evidence.js';

/**
 * The tolerance between a file's change time and a process's start time, because both are rounded.
 */
const CLOCK_SLACK_MS = 1000;

/** For FreeBSD, which has no descriptors for signals. */
function signalByPid(pid: number, signal: string | number): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    throw systemError((error as SystemError).errno, 'kill');
  }
}

/**
 * A process, held by a descriptor so that its pid cannot be reused. Close it after use.
 *
 * Source: pidfd_open(2), Linux; kqueue(2), FreeBSD.
 */
export class Owner implements Disposable {
  readonly pid: number;
  readonly #fd: number;
  readonly #began: number | undefined;

  private constructor(pid: number, fd: number) {
    this.pid = pid;
    this.#fd = fd;
    this.#began = startTicks(pid);
  }

  /** The process with this pid; undefined if there is none. */
  static of(pid: number): Owner | undefined {
    const fd = native.exitDescriptor(pid);
    if (fd >= 0) return new Owner(pid, fd);
    const error = systemError(fd, system.exitCall);
    // A thread of another process has this id: EINVAL, from Linux 6.9 on ENOENT.
    if (['ESRCH', 'EINVAL', 'ENOENT'].includes(error.code)) return undefined;
    throw error;
  }

  /**
   * Whether this process holds the lock of a file that names it. Its descriptors prove it where
   * they are visible. Otherwise the times decide: the holder of the lock has written the file, or
   * inherited it from the writer. So a process that started after the file was written is another
   * one with the same pid.
   *
   * @returns undefined if neither is proven.
   */
  proves(file: BigIntStats, locked: () => boolean): boolean | undefined {
    const holds = holdsLock(this.pid, file) ?? (locked() ? this.#isOlder(file) : false);
    return holds && !this.#same() ? false : holds;
  }

  #isOlder(file: BigIntStats): true | undefined {
    const began = startTime(this.pid)?.getTime() ?? Number.POSITIVE_INFINITY;
    return began <= Number(file.mtimeMs) + CLOCK_SLACK_MS || undefined;
  }

  /** As long as the process is not reaped, its pid cannot have been reused during the check. */
  #same(): boolean {
    if (startTicks(this.pid) !== this.#began) return false;
    try {
      this.signal(0);
      return true;
    } catch (error) {
      return (error as SystemError).code === 'EPERM';
    }
  }

  /**
   * @throws `ESRCH` if it has ended and was reaped, `EPERM` (syscall `pidfd_send_signal`, on
   *   FreeBSD `kill`).
   */
  signal(signal: Signal): void {
    try {
      pidfdSendSignal(this.#fd, signal);
    } catch (error) {
      if ((error as SystemError).code !== 'ENOSYS') throw error;
      signalByPid(this.pid, signal);
    }
  }

  /**
   * Waits until the process has ended; false if it has not ended within this time.
   *
   * @throws (rejects with) the signal's `AbortError`.
   */
  ended(milliseconds: number, signal?: AbortSignal): Promise<boolean> {
    return readableWithin(this.#fd, milliseconds, { signal });
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

/** Whether an open file other than that of `fd` has the lock. */
export function lockHeld(fd: number, path: string): boolean {
  return check(native.flockHeld(fd), 'flock', { path }) === 1;
}
