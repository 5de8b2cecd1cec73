// The listening socket that the workers share: opened by the master, or its caller's.
import { closeSync, fstatSync } from 'node:fs';
import { native } from '../addon/native.js';
import { check } from '../base/errors.js';
import { type Listener, type ListenPlan, openListener } from '../posix/listen.js';

export class SharedSocket {
  readonly fd: number | undefined;
  /** The TCP port; 0 without one. */
  readonly port: number;
  /** What to close and to remove; undefined if it is the caller's. */
  readonly #own: Listener | undefined;
  /** Which socket it is: the caller may have closed his by now, and the number be another file's. */
  readonly #inode: bigint | undefined;

  constructor(listen: ListenPlan | number | undefined) {
    this.#own = typeof listen === 'object' ? openListener(listen) : undefined;
    this.fd = typeof listen === 'object' ? this.#own?.fd : listen;
    try {
      this.port = this.fd === undefined ? 0 : check(native.localPort(this.fd), 'getsockname');
      this.#inode = this.fd === undefined ? undefined : inodeOf(this.fd);
    } catch (error) {
      this.close(() => {});
      throw error;
    }
  }

  /** At once: what still waits in its queue is refused, not left waiting for workers that go. */
  close(onError: (error: Error) => void): void {
    if (this.#own === undefined) return;
    try {
      this.#own.unlink();
    } catch (error) {
      // A directory that has become read-only is no reason not to end.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') onError(error as Error);
    } finally {
      closeSync(this.#own.fd);
    }
  }

  /**
   * In a copy of the master: it holds the socket no more.
   *
   * @param worker - of another master: the caller has no use for this one there, either.
   */
  leave(worker: boolean): void {
    if (this.fd === undefined || !(worker || this.#own !== undefined)) return;
    if (inodeOf(this.fd) === this.#inode) closeSync(this.fd);
  }
}

function inodeOf(fd: number): bigint | undefined {
  try {
    return fstatSync(fd, { bigint: true }).ino;
  } catch {
    return undefined;
  }
}
