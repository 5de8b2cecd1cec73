// A line of records between two processes: a socket pair of SOCK_SEQPACKET.
import { readSync } from 'node:fs';
import { constants } from 'node:os';
import { native, type Watch } from '../addon/native.js';
import { watch } from '../addon/watch.js';
import { setTimeout } from '../base/timers.js';

/** More than any record has. */
const LONGEST = 65_536;

/** How soon what must be said is said again. */
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
   * @param longest - the bytes of the longest record; of one with more, the rest is lost.
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

  /** Hears what is there by now; the event loop may look at other things first. */
  pull(): void {
    while (this.#open) {
      const record = this.#read();
      if (record === '') return;
      if (record === undefined) this.#end();
      else this.#hear(record);
    }
  }

  /** False if nobody is there any more. */
  say(record: string): boolean {
    return this.send(record) === 0;
  }

  /** Says what somebody waits for: again, where there is no memory for it now. @param said - or nobody is there. */
  insist(record: string, said = () => {}): void {
    const sent = this.send(record);
    if (sent === 0 || sent === -constants.errno.EPIPE) said();
    else setTimeout(() => this.insist(record, said), RETRY_MS);
  }

  /** 0, or -errno: that of a line that is closed is EPIPE's. */
  send(record: string): number {
    return this.#open ? native.sendRecord(this.#fd, record) : -constants.errno.EPIPE;
  }

  /** The same, if the other side has read what it was sent before; false otherwise. */
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

  /** A record; '' if there is none yet, undefined at the end. */
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
