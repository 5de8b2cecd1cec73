// A worker's heartbeat: what it reports to its master, as long as its event loop turns.

import { url } from 'node:inspector';
import { native } from '../../addon/native.js';
import { clock } from '../../base/alarm.js';
import { clearInterval, setInterval, setTimeout } from '../../base/timers.js';
import { type Memory, scales } from '../../system/usage.js';
import { Tally } from '../drain/tally.js';
import type { Line } from './line.js';
import { recordOf } from './line.js';

/** How soon the master hears of a request: a worker that has much to do reports more often. */
const SOON_MS = 100;

export interface PulseOptions {
  /** Milliseconds from one report to the next. */
  interval: number;
  /** So many requests are told at once. */
  maxRequests: number;
  /** Whether there is a limit of memory. */
  weighed: boolean;
}

export class Pulse {
  /** What the worker's servers count in. */
  readonly tally: Tally;
  readonly #line: Line;
  readonly #interval: number;
  readonly #pid = native.getpid();
  readonly #weight: () => Memory | undefined;
  #timer: NodeJS.Timeout | undefined;
  #due: number;
  #delay = 0;
  #soon = false;

  constructor(line: Line, { interval, maxRequests, weighed }: PulseOptions) {
    // Now: there may be no /proc in the root directory that is to come.
    this.#weight = weighed ? scales() : () => undefined;
    this.#line = line;
    this.#interval = interval;
    this.#due = clock() + interval;
    this.tally = new Tally((requests) => {
      if (requests === maxRequests) this.#say();
      else if (!this.#soon) this.#saySoon();
    });
  }

  /** Reports from time to time; that does not keep the process alive. */
  start(): void {
    this.#timer = setInterval(() => this.#beat(), this.#interval).unref();
    this.#say();
  }

  /** The master is not let at this process's memory, and asks for it. */
  weigh(): void {
    this.#say(this.#weight());
  }

  #beat(): void {
    const now = clock();
    this.#delay = Math.max(this.#delay, now - this.#due);
    this.#due = now + this.#interval;
    this.#say();
  }

  #saySoon(): void {
    this.#soon = true;
    const wait = Math.min(SOON_MS, this.#interval);
    const due = clock() + wait;
    setTimeout(() => {
      this.#soon = false;
      this.#delay = Math.max(this.#delay, clock() - due);
      this.#say();
    }, wait).unref();
  }

  #say(memory?: Memory): void {
    // In a copy of the worker: the line is not its to speak on.
    if (native.getpid() !== this.#pid) {
      clearInterval(this.#timer);
      return;
    }
    const { tally } = this;
    const { connections, underWay } = tally.load();
    const said = this.#line.report(
      recordOf({
        requests: tally.requests,
        requestsUnderWay: underWay,
        connections,
        eventLoopDelay: Math.round(10 * this.#delay) / 10,
        inspected: url() !== undefined,
        memory,
      }),
    );
    if (said) this.#delay = 0;
  }
}
