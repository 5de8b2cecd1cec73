// The listening socket that the workers share: opened by the master, or its caller's.
import { closeSync, unlinkSync } from 'node:fs';
import { check } from '../errors.js';
import { type ListenPlan, openListener } from '../listen.js';
import { native } from '../native.js';

export class SharedSocket {
  readonly fd: number | undefined;
  /** The TCP port; 0 without one. */
  readonly port: number;
  /** What to close and to remove; undefined if it is the caller's. */
  readonly #own: ListenPlan | undefined;

  constructor(listen: ListenPlan | number | undefined) {
    this.#own = typeof listen === 'object' ? listen : undefined;
    this.fd = typeof listen === 'object' ? openListener(listen) : listen;
    try {
      this.port = this.fd === undefined ? 0 : check(native.localPort(this.fd), 'getsockname');
    } catch (error) {
      this.close(() => {});
      throw error;
    }
  }

  /** At once: what still waits in its queue is refused, not left waiting for workers that go. */
  close(onError: (error: Error) => void): void {
    if (this.#own === undefined) return;
    try {
      if ('path' in this.#own) unlinkSync(this.#own.path);
    } catch (error) {
      // A directory that has become read-only is no reason not to end.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') onError(error as Error);
    } finally {
      closeSync(this.fd as number);
    }
  }
}
