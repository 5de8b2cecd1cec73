// A worker as the master can reach it: by its line, its pid and the wait for its end.
import { sleep } from '../../base/timers.js';
import { type WaitEnd, waitpidAsync } from '../../posix/wait.js';
import { type SignalName, signalNumber } from '../../system/signal-numbers.js';
import { Line, type Report, reportIn, type Word } from '../worker/line.js';

/** What the master is told of a worker. */
export interface Told {
  ready: () => void;
  leaving: () => void;
  reports: (report: Report) => void;
  /** Without a result if other code has waited for it. */
  ended: (result: WaitEnd | undefined) => void;
}

const RETRY_MS = 1000;

/** A worker process, from its fork until it is reaped. */
export class Member {
  readonly pid: number;
  readonly #line: Line;
  #alive = true;

  /** @throws if the event loop cannot watch the line, which is closed then. */
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

  /** A worker that is gone hears nothing. */
  say(word: Word): void {
    try {
      this.#line.say(word);
    } catch {
      // Its end is told otherwise.
    }
  }

  /** Sends a signal. */
  kill(signal: SignalName): void {
    if (!this.#alive) return;
    try {
      // Until it is reaped the pid is its own.
      process.kill(this.pid, signalNumber(signal, 'signal'));
    } catch {
      // EPERM: it has become somebody whom this master may not signal. The line's end is the same word.
      this.#line.close();
    }
  }

  /** Hears at once what it has said by now. */
  pull(): void {
    this.#line.pull();
  }

  /** In a copy of the master: nothing of the worker is this process's business. */
  forget(): void {
    this.#alive = false;
    this.#line.close();
  }

  async #untilEnd(told: Told): Promise<void> {
    const result = await this.#waitFor();
    if (!this.#alive) return;
    // What it has said last, which the event loop may come to later.
    this.#line.pull();
    this.forget();
    told.ended(result);
  }

  /** waitpidAsync() that does not give up: EMFILE passes. Undefined if somebody else has waited. */
  async #waitFor(): Promise<WaitEnd | undefined> {
    for (;;) {
      try {
        return await waitpidAsync(this.pid);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ECHILD') return undefined;
        await sleep(RETRY_MS);
        // A copy of the master.
        if (!this.#alive) return undefined;
      }
    }
  }
}
