// The process that holds a pidfile, once it is proven which one that is; no other is ever signalled.
import { type BigIntStats, closeSync } from 'node:fs';
import { native } from '../addon/native.js';
import { readableWithin } from '../addon/watch.js';
import { check, type SystemError, systemError } from '../base/errors.js';
import { pidfdSendSignal } from '../posix/pidfd.js';
import type { Signal } from '../system/signal-numbers.js';
import { system } from '../system/system.js';
import { holdsLock, startTicks, startTime } from './evidence.js';

/** What times of a file's change and of a process's start may differ by, both being rounded. */
const CLOCK_SLACK_MS = 1000;

/** For FreeBSD, which has no descriptor to signal by. */
function signalByPid(pid: number, signal: string | number): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    throw systemError((error as SystemError).errno, 'kill');
  }
}

/**
 * A process by a descriptor, so that it stays the same one. Close it after use.
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

  /** The process with this number; undefined if there is none. */
  static of(pid: number): Owner | undefined {
    const fd = native.exitDescriptor(pid);
    if (fd >= 0) return new Owner(pid, fd);
    const error = systemError(fd, system.exitCall);
    // A thread of another process has this number: EINVAL, from Linux 6.9 on ENOENT.
    if (['ESRCH', 'EINVAL', 'ENOENT'].includes(error.code)) return undefined;
    throw error;
  }

  /**
   * Whether this process holds the lock of a file that names it: by its own descriptor where that
   * can be looked at. Where it cannot, whoever holds the lock has written the file or inherited it
   * from who has; so that a process which began after that was written is a later one with the same
   * number.
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

  /** As long as it has not been waited for its number was nobody else's while we looked. */
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
   * @throws `ESRCH` if it has ended and been waited for, `EPERM` (syscall `pidfd_send_signal`, on
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
   * Waits until it has ended; false if it has not within this time.
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

/** Whether a description other than `fd` has the lock. */
export function lockHeld(fd: number, path: string): boolean {
  return check(native.flockHeld(fd), 'flock', { path }) === 1;
}
