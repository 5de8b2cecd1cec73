// Writing to a log that may be full: what cannot be written is dropped, counted and told later. A
// server shall not end for lack of room for its log, nor wait for who reads it.

import { writeSync } from 'node:fs';
import { native } from '../addon/native.js';
import type { SystemError } from '../base/errors.js';
import { clearInterval, setInterval } from '../base/timers.js';

/** How long a pipe that is full may hold a write up: its reader has not had its turn. */
const PATIENCE_MS = 100;
/** How often it is tried whether there is room again, when nobody writes. */
const RETRY_MS = 1000;
const NEWLINE = 10;

/** Writes to a descriptor that leads to a log. */
export class LogWriter {
  readonly #fd: number;
  #lost = 0;
  /** Why, by the first write that failed. */
  #why = '';
  /** Whether what the log ends with is half a line. */
  #open = false;
  /** Whose loss it is: a fork has lost nothing yet. */
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

  /** Says what was lost, as soon as there is room for that; false if there is none. */
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

/** Writes to standard error, whatever it is; what it does not take within a second is lost. */
export function complain(text: string): void {
  native.writeWithin(2, Buffer.from(text), 1000);
}
