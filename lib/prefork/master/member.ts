// A worker in the master: its line, its pid and the wait for its end.
import { sleep } from '../../base/timers.js';
import { type WaitEnd, waitpidAsync } from '../../posix/wait.js';
import { type SignalName, signalNumber } from '../../system/signal-numbers.js';
import { Line, type Report, reportIn, type Word } from '../worker/line.js';

/** Callbacks about a worker. */
export interface Told {
  ready: () => void;
  leaving: () => void;
  reports: (report: Report) => void;
  /** There is no result if other code has waited for the worker. */
  ended: (result: WaitEnd | undefined) => void;
}

const RETRY_MS = 1000;

/** A worker process, from its fork until it is reaped. */
export class Member {
  readonly pid: number;
  readonly #line: Line;
  #alive = true;

  /** @throws if the event loop cannot watch the line; then the line is closed. */
  constructor(pid: number, line: number, told: Told) {
    this.pid = pid;
    const hear = (word: string) => {
      if (word === 'ready') told.ready();
      if (word === 'leaving') told.leaving();
      const report = reportIn(word);
      if (report !== undefined) told.reports(report);
    };
    this.#line = new Line(line, hear, () => {}, false);
    void this.#untilEnd(told);
  }

  /** Sends a word. Nothing happens if the worker has ended. */
  say(word: Word): void {
    try {
      this.#line.say(word);
    } catch {
      // Its end is reported by other means.
    }
  }

  /** Sends a signal. */
  kill(signal: SignalName): void {
    if (!this.#alive) return;
    try {
      // The pid is not reused before the worker is reaped.
      process.kill(this.pid, signalNumber(signal, 'signal'));
    } catch {
      // EPERM: the worker has changed to a user whom this master may not signal. Closing the line
      // has the same effect.
      this.#line.close();
    }
  }

  /** Reads the worker's messages at once. */
  pull(): void {
    this.#line.pull();
  }

  /** In a fork of the master: forgets the worker. */
  forget(): void {
    this.#alive = false;
    this.#line.close();
  }

  async #untilEnd(told: Told): Promise<void> {
    const result = await this.#waitFor();
    if (!this.#alive) return;
    // Its last messages, which the event loop might read later.
    this.#line.pull();
    this.forget();
    told.ended(result);
  }

  /**
   * waitpidAsync() with retries, because EMFILE is temporary. Undefined if other code has waited.
   */
  async #waitFor(): Promise<WaitEnd | undefined> {
    for (;;) {
      try {
        return await waitpidAsync(this.pid);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ECHILD') return undefined;
        await sleep(RETRY_MS);
        // This is a fork of the master.
        if (!this.#alive) return undefined;
      }
    }
  }
}
