// What the new program writes to standard error, until it leads to its own file: this process writes it on,
// and keeps the end of it.
import { readSync } from 'node:fs';
import { native, type Watch } from '../../addon/native.js';
import { watch } from '../../addon/watch.js';
import { Alarm, clock } from '../../base/alarm.js';

/** What is kept, in bytes. */
const TAIL = 8192;

/** How long a reader of our standard error that does not read may hold the master up. */
const PATIENCE_MS = 100;

/** How long workers that are busy, and programs that were started meanwhile, may still write. */
const LINGER_MS = 10_000;

export class Relay {
  readonly #fd: number;
  readonly #watch: Watch;
  readonly #alarm = new Alarm(() => this.close());
  #tail = Buffer.alloc(0);
  #open = true;

  constructor(fd: number) {
    this.#fd = fd;
    this.#watch = watch(fd, () => this.drain(), true, true);
  }

  /** The end of what has come. */
  get tail(): string {
    return this.#tail.toString('utf8');
  }

  /** Takes what is there by now. */
  drain(): void {
    const bytes = Buffer.allocUnsafe(65_536);
    while (this.#open) {
      const size = this.#read(bytes);
      if (size === undefined) return;
      if (size === 0) {
        this.close();
        return;
      }
      const chunk = bytes.subarray(0, size);
      native.writeWithin(2, chunk, PATIENCE_MS);
      this.#tail = Buffer.concat([this.#tail, chunk]).subarray(-TAIL);
    }
  }

  /** The new program has its own file now; until its workers have, too, this process stays. */
  linger(): void {
    if (this.#open) this.#alarm.set(clock() + LINGER_MS);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#alarm.clear();
    this.#watch.close();
  }

  /** 0 at the end; undefined if there is nothing yet. */
  #read(bytes: Buffer): number | undefined {
    try {
      return readSync(this.#fd, bytes);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EAGAIN' ? undefined : 0;
    }
  }
}
