// Forwards the new program's standard error until the program has its own file, and keeps the last
// part of it.
import { readSync } from 'node:fs';
import { native, type Watch } from '../../addon/native.js';
import { watch } from '../../addon/watch.js';
import { Alarm, clock } from '../../base/alarm.js';

/** The size of the kept part, in bytes. */
const TAIL = 8192;

/** How long a reader of our standard error that does not read may block the master. */
const PATIENCE_MS = 100;

/** How long busy workers, and programs that were started in the meantime, may still write. */
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

  /** The last part of the output. */
  get tail(): string {
    return this.#tail.toString('utf8');
  }

  /** Reads the available output. */
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

  /** The new program has its own file now. This process waits until its workers have theirs. */
  linger(): void {
    if (this.#open) this.#alarm.set(clock() + LINGER_MS);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#alarm.clear();
    this.#watch.close();
  }

  /** 0 at the end; undefined if nothing is available. */
  #read(bytes: Buffer): number | undefined {
    try {
      return readSync(this.#fd, bytes);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EAGAIN' ? undefined : 0;
    }
  }
}
