// Publishes the state of the workers in an unnamed file that only the master has open. A user who
// may inspect the process reads it through /proc/PID/fd, even after the master has changed its root
// directory or dropped privileges. The file ends with the master, and reading it needs no reply.

import { closeSync, ftruncateSync, writeSync } from 'node:fs';
import { native } from '../../addon/native.js';
import { clock } from '../../base/alarm.js';
import { clearTimeout, setTimeout } from '../../base/timers.js';

/** The file's name in /proc/PID/fd. */
export const BOARD = 'daemonkit-prefork';

/** How long a change waits for further ones: of a state, and of a worker's report. */
const WAIT_MS = { state: 20, report: 500 };

/** Longer if writing is slow: writing takes at most a fiftieth of the time. */
const SHARE = 50;

export class Board {
  readonly #fd: number;
  readonly #text: () => string;
  #timer: NodeJS.Timeout | undefined;
  #open: boolean;
  #size = 0;
  #due = Number.POSITIVE_INFINITY;
  #notBefore = 0;

  /** @param text - returns the content at the time of writing. */
  constructor(text: () => string) {
    // Negative if a seccomp filter refuses the call: then the state is not published.
    this.#fd = native.anonymousFile(BOARD);
    this.#open = this.#fd >= 0;
    this.#text = text;
  }

  /** Something has changed. */
  stir(news: keyof typeof WAIT_MS): void {
    const now = clock();
    const due = Math.max(now + WAIT_MS[news], this.#notBefore);
    if (!this.#open || due >= this.#due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => this.#write(), due - now).unref();
  }

  /** At the end of the master, and in copies of it. */
  close(): void {
    clearTimeout(this.#timer);
    if (!this.#open) return;
    this.#open = false;
    try {
      closeSync(this.#fd);
    } catch {
      // This must not prevent the end.
    }
  }

  #write(): void {
    this.#due = Number.POSITIVE_INFINITY;
    const began = clock();
    const bytes = Buffer.from(`${this.#text()}\n`);
    // In one write, over the whole old content: a concurrent reader reads again.
    const all = Buffer.concat([bytes, Buffer.alloc(Math.max(0, this.#size - bytes.length), ' ')]);
    try {
      writeSync(this.#fd, all, 0, all.length, 0);
      if (this.#size > 2 * bytes.length) ftruncateSync(this.#fd, bytes.length);
      this.#size = this.#size > 2 * bytes.length ? bytes.length : all.length;
    } catch {
      // Out of memory: the old content stays, and contains its time.
    }
    this.#notBefore = began + SHARE * (clock() - began);
  }
}
