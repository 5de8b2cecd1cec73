// Where those outside read how the workers are: a file without a name in any directory, which only the
// master has open. /proc/PID/fd leads there whoever may look at the process, also after it has gone into a
// chroot or dropped its privileges; it ends with the master, and there is nobody to be asked.

import { closeSync, ftruncateSync, writeSync } from 'node:fs';
import { native } from '../../addon/native.js';
import { clock } from '../../base/alarm.js';
import { clearTimeout, setTimeout } from '../../base/timers.js';

/** As /proc/PID/fd shows it. */
export const BOARD = 'daemonkit-prefork';

/** So long news wait for more: a change of state, and what workers report. */
const WAIT_MS = { state: 20, report: 500 };

/** Longer if there is much to write: a fiftieth of the time at most. */
const SHARE = 50;

export class Board {
  readonly #fd: number;
  readonly #text: () => string;
  #timer: NodeJS.Timeout | undefined;
  #open: boolean;
  #size = 0;
  #due = Number.POSITIVE_INFINITY;
  #notBefore = 0;

  /** @param text - what is to be read there, by the time it is written. */
  constructor(text: () => string) {
    // Less than nothing where a filter of system calls refuses it: then nobody reads it.
    this.#fd = native.anonymousFile(BOARD);
    this.#open = this.#fd >= 0;
    this.#text = text;
  }

  /** There are news. */
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
      // No reason not to end.
    }
  }

  #write(): void {
    this.#due = Number.POSITIVE_INFINITY;
    const began = clock();
    const bytes = Buffer.from(`${this.#text()}\n`);
    // In one piece, over all that was there: a reader that comes in between looks again.
    const all = Buffer.concat([bytes, Buffer.alloc(Math.max(0, this.#size - bytes.length), ' ')]);
    try {
      writeSync(this.#fd, all, 0, all.length, 0);
      if (this.#size > 2 * bytes.length) ftruncateSync(this.#fd, bytes.length);
      this.#size = this.#size > 2 * bytes.length ? bytes.length : all.length;
    } catch {
      // Out of memory: what is there is older than it might be, and says so.
    }
    this.#notBefore = began + SHARE * (clock() - began);
  }
}
