// Ends an HTTP/2 session in two steps. The first GOAWAY announces that there will be no new
// streams; when the client must have seen it, the second names the last stream. Streams that the
// client has sent in between are answered. Source: RFC 9113, section 6.8.

import { EventEmitter } from 'node:events';
import { writeSync } from 'node:fs';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { sleep } from '../../base/timers.js';
import { INT_MAX } from '../../base/validate.js';

/**
 * A frame: length, type GOAWAY, no flags, stream 0; the last stream is the highest possible one;
 * NO_ERROR.
 */
const NOTICE = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]);

/** How often to check whether a connection accepts data. */
const LOOK_MS = 5;

/** How long to observe how many streams a client has at a time. */
const OBSERVE_MS = 100;

/** How long no new stream must come, and how long streams are held back at most. */
const SETTLE_MS = 40;
const HOLD_MS = 500;

/**
 * Ends a session; it lives until its streams have ended.
 *
 * @param patience - the milliseconds that the client has to answer; after that the session ends
 *   without its answer.
 */
export function endSession(session: ServerHttp2Session, patience: number): void {
  const goodbye = new Goodbye(session, performance.now() + patience);
  goodbye.say().catch(() => session.destroy());
}

class Goodbye {
  readonly #session: ServerHttp2Session;
  readonly #deadline: number;

  constructor(session: ServerHttp2Session, deadline: number) {
    this.#session = session;
    this.#deadline = deadline;
  }

  async say(): Promise<void> {
    // After this a new client has received our SETTINGS, which must come first.
    await this.#roundTrip();
    let noticed = false;
    await this.#inLull(async () => {
      noticed = await this.#notice();
      if (!noticed) this.#lastWord();
    });
    if (!noticed) return;
    await this.#roundTrip();
    this.#lastWord();
  }

  #lastWord(): void {
    if (!this.#over) this.#session.close();
  }

  get #over(): boolean {
    return this.#session.closed || this.#session.destroyed;
  }

  get #left(): number {
    // The maximum of a timer.
    return Math.min(Math.max(this.#deadline - performance.now(), 0), INT_MAX);
  }

  /** Afterwards everything has arrived that the client sent before it read our last frame. */
  async #roundTrip(): Promise<void> {
    if (this.#over) return;
    const late = new AbortController();
    const { signal } = late;
    const answered = new Promise<void>((resolve) => {
      if (!this.#session.ping(() => resolve())) resolve();
    });
    const time = sleep(this.#left, undefined, { signal, ref: false });
    await Promise.race([answered, time.catch(() => {})]);
    late.abort();
  }

  /**
   * Sends the announcement instead of Node. After `session.goaway()` nghttp2 ignores new streams,
   * regardless of the announced identifier (`goaway_flags` in its nghttp2_session.c), and Node does
   * not expose nghttp2's own announcement. Writes between Node's writes, each of which consists of
   * whole frames.
   *
   * @returns false if it is not possible: with TLS, to which only Node can write, or if the client
   *   does not read.
   */
  async #notice(): Promise<boolean> {
    if (this.#session.encrypted) return false;
    for (;;) {
      if (this.#over) return true;
      const { _handle: handle } = this.#session.socket as unknown as { _handle?: Handle };
      if (handle?.writeQueueSize === 0 && handle.fd !== undefined && write(handle.fd)) return true;
      if (this.#left === 0) return false;
      await sleep(LOOK_MS, undefined, { ref: false });
    }
  }

  /**
   * Holds back new streams for a moment, so that a client that waits for responses sends nothing
   * more, then calls `say`. With TLS a stream that crosses the GOAWAY would be refused. Node's
   * client also refuses its own streams if it reads the GOAWAY before it has sent them.
   */
  async #inLull(say: () => Promise<void>): Promise<void> {
    using streams = new Streams(this.#session);
    await sleep(OBSERVE_MS, undefined, { ref: false });
    streams.hold();
    const end = performance.now() + HOLD_MS;
    do {
      await this.#roundTrip();
    } while (!this.#over && performance.now() < end && (await streams.grow()));
    await say();
  }
}

/** The streams of a session, which may be held back. */
class Streams implements Disposable {
  readonly #session: ServerHttp2Session;
  readonly #open = new Set<unknown>();
  readonly #held: unknown[][] = [];
  /** The largest number of streams open at a time. */
  #most = 0;
  #holds = false;

  constructor(session: ServerHttp2Session) {
    this.#session = session;
    session.emit = (event: string | symbol, ...args: unknown[]) => {
      if (event === 'stream') this.#add(args[0] as ServerHttp2Stream);
      if (event !== 'stream' || !this.#holds) {
        return Reflect.apply(EventEmitter.prototype.emit, session, [event, ...args]);
      }
      this.#held.push(args);
      return true;
    };
  }

  #add(stream: ServerHttp2Stream): void {
    this.#open.add(stream);
    stream.once('close', () => this.#open.delete(stream));
    if (!this.#holds) this.#most = Math.max(this.#most, this.#open.size);
  }

  /** From now on the program does not see new streams. */
  hold(): void {
    this.#holds = true;
  }

  /** Waits for more streams; false if the client has as many as usual and no new one has come. */
  async grow(): Promise<boolean> {
    const before = this.#held.length;
    await sleep(SETTLE_MS, undefined, { ref: false });
    return this.#held.length > before || this.#open.size < this.#most;
  }

  /** Passes the held streams to the program. */
  [Symbol.dispose](): void {
    Reflect.deleteProperty(this.#session, 'emit');
    for (const args of this.#held) this.#session.emit('stream', ...args);
  }
}

interface Handle {
  fd?: number;
  writeQueueSize?: number;
}

/** Whether the kernel has accepted the whole notice. */
function write(fd: number): boolean {
  let written = 0;
  try {
    while (written < NOTICE.length) written += writeSync(fd, NOTICE, written);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Half a frame was written: the next data would be read as its rest.
    if (written > 0) throw error;
    return code !== 'EAGAIN';
  }
}
