// A worker's heartbeat: its reports to the master, as long as its event loop runs.

import { url } from 'node:inspector';
import { native } from '../../addon/native.js';
import { clock } from '../../base/alarm.js';
import { clearInterval, setInterval, setTimeout } from '../../base/timers.js';
import { type Memory, scales } from '../../system/usage.js';
import { Tally } from '../drain/tally.js';
import type { Line } from './line.js';
import { recordOf } from './line.js';

/** How soon a request is reported: a busy worker reports more often. */
const SOON_MS = 100;

export interface PulseOptions {
  /** Milliseconds between two reports. */
  interval: number;
  /** This number of requests is reported at once. */
  maxRequests: number;
  /** Whether there is a memory limit. */
  weighed: boolean;
}

export class Pulse {
  /** The counters of the worker's servers. */
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
    // Opened now, because a later root directory may have no /proc.
    this.#weight = weighed ? scales() : () => undefined;
    this.#line = line;
    this.#interval = interval;
    this.#due = clock() + interval;
    this.tally = new Tally((requests) => {
      if (requests === maxRequests) this.#say();
      else if (!this.#soon) this.#saySoon();
    });
  }

  /** Starts the periodic reports, which do not keep the process alive. */
  start(): void {
    this.#timer = setInterval(() => this.#beat(), this.#interval).unref();
    this.#say();
  }

  /** The master may not read this process's memory, and requests a report. */
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
    // In a fork of the worker, which must not use the line.
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
