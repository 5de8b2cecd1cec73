// One attempt of an upgrade: from the start of the new program until it has taken over, or has
// ended with everything that it started.

import { closeSync } from 'node:fs';
import { Alarm, clock, isMissed } from '../../base/alarm.js';
import { asError } from '../../base/errors.js';
import { sleep } from '../../base/timers.js';
import { type WaitEnd, waitpidAsync } from '../../posix/wait.js';
import { fstatOf } from '../../system/file-id.js';
import { RecordLine } from '../../system/record-line.js';
import { socketpair } from '../../system/socketpair.js';
import type { UpgradeProgram } from '../options.js';
import { hasEnded, hasFailed, isLate, notExecuted, type UpgradeStep, withTold } from './error.js';
import { type Estate, estate, startProgram } from './program.js';
import { Relay } from './relay.js';
import { markOf, Remains } from './remains.js';

const DONE = ['ECHILD', 'ABORT_ERR'];
const RETRY_MS = 200;

export interface Attempt {
  program: UpgradeProgram;
  /** Milliseconds that the new program has until it must be ready. */
  timeout: number;
  /** Milliseconds that the new program's workers have to end, if it fails. */
  patience: number;
}

/** The handed-over resources that the successor has taken. */
interface Taken {
  sockets: string[];
  pidfiles: string[];
}

export class Upgrade {
  /**
   * Resolved with the successor's pid when it has taken over; rejected when nothing is left of it.
   */
  readonly taken: Promise<number>;
  readonly pid: number;
  readonly #attempt: Attempt;
  readonly #estate: Estate;
  readonly #line: RecordLine;
  readonly #relay: Relay;
  readonly #remains = new Remains();
  readonly #alarm: Alarm;
  #resolve!: (pid: number) => void;
  #reject!: (error: Error) => void;
  #due = 0;
  #step: UpgradeStep = 'load';
  #claims: Taken | undefined;
  #end: WaitEnd | undefined;
  readonly #gone: Promise<void>;
  /** Aborts when this process may end before the successor. */
  readonly #parted = new AbortController();
  #over = false;
  #forgotten = false;

  /** @throws the errors of fork(2) and socketpair(2); then nothing is left. */
  constructor(attempt: Attempt) {
    this.#attempt = attempt;
    this.#estate = estate();
    this.taken = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const undo: (() => void)[] = [];
    try {
      const [line, theirs] = socketpair(true);
      undo.push(() => closeSync(theirs));
      // Before the fork: if one of them cannot be watched, there must be no process that nothing
      // waits for.
      this.#line = new RecordLine(
        line,
        (record) => this.#hear(record),
        () => {},
        true,
      );
      undo.push(() => this.#line.close());
      const [relay, stderr] = socketpair(false);
      undo.push(() => closeSync(stderr));
      this.#relay = new Relay(relay);
      undo.push(() => this.#relay.close());
      this.#remains.expect(markOf(`${fstatOf(theirs)}`));
      this.pid = startProgram(attempt.program, this.#estate, theirs, stderr);
      closeSync(theirs);
      closeSync(stderr);
    } catch (error) {
      for (const act of undo) act();
      this.#remains.forget();
      throw error;
    }
    this.#alarm = new Alarm(() => this.#late());
    this.#wait();
    this.#gone = this.#untilEnd();
    void this.#gone.then(() => this.#hasGone());
  }

  /** Whether it is too late to cancel. */
  get isTakingOver(): boolean {
    return this.#claims !== undefined && !this.#over;
  }

  /** The handed-over resources that the successor has taken. */
  get claims(): Taken | undefined {
    return this.#claims;
  }

  /**
   * Ends the attempt; when nothing is left of the successor, the promise is rejected with `error`.
   */
  abandon(error: Error): void {
    void this.#fail(() => error);
  }

  /** Called in a fork of this process. */
  forget(): void {
    this.#over = true;
    this.#forgotten = true;
    this.#alarm.clear();
    this.#line.close();
    this.#relay.close();
  }

  get #told() {
    return { step: this.#step, stderr: this.#relay.tail, end: this.#end };
  }

  #hear(record: string): void {
    if (this.#over) return;
    const [kind, text] = [record[0], record.slice(1)];
    if (kind === 'e') {
      const path = this.#attempt.program.execPath ?? process.execPath;
      void this.#fail(() =>
        withTold(notExecuted(text, path), { ...this.#told, step: 'start', end: undefined }),
      );
    } else if (kind === 's') this.#step = text as UpgradeStep;
    else if (kind === 'f') void this.#fail(() => hasFailed(this.#told, text));
    else if (kind === 'r') this.#handOver(JSON.parse(text) as Taken);
    else if (kind === 't') this.#succeed();
  }

  /** The successor is ready. From here on pidfiles and managers lead to it. */
  #handOver(claims: Taken): void {
    this.#step = 'takeover';
    this.#claims = claims;
    this.#wait();
    try {
      for (const one of this.#claimed()) one.nameSuccessor(this.pid);
    } catch (thrown) {
      void this.#fail(() => withTold(asError(thrown), this.#told));
      return;
    }
    this.#line.insist('g');
  }

  #claimed() {
    return this.#estate.pidfiles.filter(({ path }) => this.#claims?.pidfiles.includes(path));
  }

  #succeed(): void {
    this.#over = true;
    this.#alarm.clear();
    this.#line.close();
    this.#remains.forget();
    for (const one of this.#claimed()) one.close();
    this.#relay.linger();
    this.#parted.abort();
    this.#resolve(this.pid);
  }

  async #untilEnd(): Promise<void> {
    for (;;) {
      try {
        this.#end = await waitpidAsync(this.pid, { signal: this.#parted.signal });
        return;
      } catch (error) {
        // Other code has waited for it, or the wait was ended. EMFILE is temporary.
        if (DONE.includes((error as NodeJS.ErrnoException).code ?? '')) return;
        await sleep(RETRY_MS);
      }
    }
  }

  #hasGone(): void {
    // Its earlier messages.
    if (!this.#over) this.#line.pull();
    void this.#fail(() => hasEnded(this.#told));
  }

  /** Starts the time limit. */
  #wait(): void {
    this.#due = clock() + this.#attempt.timeout;
    this.#alarm.set(this.#due);
  }

  #late(): void {
    if (isMissed(this.#due, clock())) this.#wait();
    else void this.#fail(() => isLate(this.#told, this.#attempt.timeout));
  }

  /**
   * The promise is rejected only after nothing of the successor is left and everything is as
   * before.
   */
  async #fail(make: () => Error): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    this.#alarm.clear();
    if (this.#step === 'takeover') this.#nameSelf();
    await this.#remains.end(this.pid, this.#gone, this.#attempt.patience);
    // A fork that was made meanwhile has no part in it.
    if (this.#forgotten) return;
    this.#line.close();
    this.#relay.drain();
    this.#relay.close();
    this.#reject(make());
  }

  #nameSelf(): void {
    for (const one of this.#claimed()) {
      try {
        one.nameSelf();
      } catch (error) {
        process.emitWarning(asError(error));
      }
    }
  }
}
