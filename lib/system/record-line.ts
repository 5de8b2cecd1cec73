// A line of records between two processes: a socket pair of SOCK_SEQPACKET.
import { readSync } from 'node:fs';
import { constants } from 'node:os';
import { native, type Watch } from '../addon/native.js';
import { watch } from '../addon/watch.js';
import { setTimeout } from '../base/timers.js';

/** Longer than any record. */
const LONGEST = 65_536;

/** How soon an important record is sent again. */
const RETRY_MS = 100;

/** An end of the line, on the event loop. Closing it closes the descriptor. */
export class RecordLine {
  readonly #fd: number;
  readonly #watch: Watch;
  readonly #hear: (record: string) => void;
  readonly #onEnd: () => void;
  readonly #longest: number;
  #open = true;

  /**
   * @param ref - whether it keeps the process alive.
   * @param longest - the size of the longest record in bytes. The rest of a longer one is lost.
   */
  constructor(
    fd: number,
    hear: (record: string) => void,
    onEnd: () => void,
    ref: boolean,
    longest = LONGEST,
  ) {
    this.#fd = fd;
    this.#longest = longest;
    this.#hear = hear;
    this.#onEnd = onEnd;
    this.#watch = watch(fd, (status) => (status < 0 ? this.#end() : this.pull()), ref, true);
  }

  /** Reads the available records at once, before other events of the event loop. */
  pull(): void {
    while (this.#open) {
      const record = this.#read();
      if (record === '') return;
      if (record === undefined) this.#end();
      else this.#hear(record);
    }
  }

  /** Sends a record; false if the other side has ended. */
  say(record: string): boolean {
    return this.send(record) === 0;
  }

  /**
   * Sends a record that the other side waits for, and tries again if memory is short. @param said -
   * called when it is sent, or the other side has ended.
   */
  insist(record: string, said = () => {}): void {
    const sent = this.send(record);
    if (sent === 0 || sent === -constants.errno.EPIPE) said();
    else setTimeout(() => this.insist(record, said), RETRY_MS);
  }

  /** 0, or -errno; -EPIPE for a closed line. */
  send(record: string): number {
    return this.#open ? native.sendRecord(this.#fd, record) : -constants.errno.EPIPE;
  }

  /** The same, but only if the other side has read all earlier records; false otherwise. */
  sayIfRead(record: string): boolean {
    return this.#open && native.sendRecordIfRead(this.#fd, record) === 0;
  }

  ref(): void {
    this.#watch.ref();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#watch.close();
  }

  /** A record; '' if none is available, undefined at the end. */
  #read(): string | undefined {
    const bytes = Buffer.allocUnsafe(this.#longest);
    try {
      const size = readSync(this.#fd, bytes);
      return size === 0 ? undefined : bytes.toString('utf8', 0, size);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EAGAIN' ? '' : undefined;
    }
  }

  #end(): void {
    if (!this.#open) return;
    this.close();
    this.#onEnd();
  }
}
