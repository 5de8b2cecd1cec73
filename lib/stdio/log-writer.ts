// Writes to a log that may be full. Data that cannot be written is dropped and counted, and
// reported later. A server must not end because its log has no room, nor wait for the log's reader.

import { writeSync } from 'node:fs';
import { native } from '../addon/native.js';
import type { SystemError } from '../base/errors.js';
import { clearInterval, setInterval } from '../base/timers.js';

/** How long a full pipe may block a write: its reader may need processor time. */
const PATIENCE_MS = 100;
/** How often to check for room again while nothing is written. */
const RETRY_MS = 1000;
const NEWLINE = 10;

/** Writes to a log by its descriptor. */
export class LogWriter {
  readonly #fd: number;
  #lost = 0;
  /** The reason of the first failed write. */
  #why = '';
  /** Whether the log ends with an incomplete line. */
  #open = false;
  /** The process that has lost the data: a fork has lost nothing yet. */
  #pid = process.pid;
  #timer: NodeJS.Timeout | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Never throws. */
  write(bytes: Buffer): void {
    if (this.#pid !== process.pid) this.#begin();
    if (this.#lost > 0 && !this.#tell()) this.#lost += bytes.length;
    else this.#put(bytes, PATIENCE_MS);
  }

  #begin(): void {
    clearInterval(this.#timer);
    this.#lost = 0;
    this.#pid = process.pid;
  }

  /** Reports the loss as soon as there is room for the report; false if there is none. */
  #tell(): boolean {
    const [lost, why] = [this.#lost, this.#why];
    const start = this.#open ? '\n' : '';
    const words = Buffer.from(`${start}daemonkit: ${lost} bytes of log were lost: ${why}\n`);
    this.#lost = 0;
    this.#put(words, 0);
    const told = this.#lost === 0;
    if (told) clearInterval(this.#timer);
    else [this.#lost, this.#why] = [lost, why];
    return told;
  }

  #put(bytes: Buffer, patience: number): void {
    let at = 0;
    try {
      while (at < bytes.length) at += this.#take(bytes, at, patience);
    } catch (error) {
      this.#lose(bytes.length - at, (error as SystemError).code);
    }
    if (at > 0) this.#open = bytes[at - 1] !== NEWLINE;
  }

  #take(bytes: Buffer, at: number, patience: number): number {
    try {
      return writeSync(this.#fd, bytes, at);
    } catch (error) {
      if ((error as SystemError).code !== 'EAGAIN' || patience === 0) throw error;
      const taken = native.writeWithin(this.#fd, bytes.subarray(at), patience);
      if (taken === 0) throw error;
      return taken;
    }
  }

  #lose(bytes: number, why: string): void {
    this.#lost += bytes;
    this.#why = why;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#retry(), RETRY_MS).unref();
  }

  #retry(): void {
    if (this.#pid === process.pid) this.#tell();
    else this.#begin();
  }
}

/** Writes to standard error of any type. Data that is not accepted within a second is lost. */
export function complain(text: string): void {
  native.writeWithin(2, Buffer.from(text), 1000);
}
