// What the master knows of the health of its workers: what they report, and whether they still do.

import { clock } from '../../base/alarm.js';
import { clearTimeout, setTimeout } from '../../base/timers.js';
import { listensAt } from '../../system/sockets.js';
import {
  isHeldUp,
  type Memory,
  memoryOf,
  type Progress,
  processors,
  progressOf,
} from '../../system/usage.js';
import type { RecycleReason } from '../options.js';
import type { WorkerState } from '../state/state.js';
import type { Report } from '../worker/line.js';
import { type Limits, limitsOf, type RecycleRules } from './recycle.js';

/** How often to look at the workers, and how often they report, at least. */
const LOOK_MS = 1000;

/** So often they shall have reported until their time is over: what is shorter is no hang. */
const BEATS = 10;
const LEAST_MS = 10;

/** Reading a worker's memory holds it up: so much of the time at most, a hundredth. */
const MEMORY_SHARE = 100;

export interface VitalsRules {
  /** Milliseconds; 0 is never. */
  readonly hangTimeout: number;
  readonly recycle: RecycleRules;
}

interface Actions {
  /** The workers that there are now. */
  workers: () => readonly WorkerState[];
  /** It has served long enough. Called again as long as it stays. */
  recycle: (pid: number, reason: RecycleReason) => void;
  /** It could have run for so many milliseconds, and did not answer. */
  hung: (worker: WorkerState, silent: number) => void;
  /** It is to tell how much memory it has, which is not for this process to see. */
  weigh: (pid: number) => void;
}

/** One worker. */
interface Vitals {
  readonly pid: number;
  readonly limits: Limits;
  /** Reads what has come over its line. */
  readonly pull: () => void;
  report: Report | undefined;
  heardAt: number;
  lookedAt: number;
  /** By the time of the last look. */
  progress: Progress | undefined;
  /** How long it could have run without a word. */
  silent: number;
  memory: Memory | undefined;
  weighedAt: number;
}

/** How often workers report. */
export function beatOf({ hangTimeout }: VitalsRules): number {
  if (hangTimeout === 0) return LOOK_MS;
  return Math.max(LEAST_MS, Math.min(LOOK_MS, hangTimeout / BEATS));
}

const shortest = (times: readonly number[]) => Math.min(Number.POSITIVE_INFINITY, ...times);

/** Looks at the workers from time to time, if the options want something known. */
export class Watchman {
  readonly #rules: VitalsRules;
  readonly #actions: Actions;
  readonly #all = new Map<number, Vitals>();
  /** Milliseconds from one look to the next; Infinity is never. */
  readonly #interval: number;
  readonly #processors = processors();
  #timer: NodeJS.Timeout | undefined;
  #memoryAt = 0;

  constructor(rules: VitalsRules, actions: Actions) {
    this.#rules = rules;
    this.#actions = actions;
    const { hangTimeout, recycle } = rules;
    const { maxAge, maxMemory } = recycle.limits;
    this.#interval = shortest([
      hangTimeout === 0 ? Number.POSITIVE_INFINITY : beatOf(rules),
      maxAge === Number.POSITIVE_INFINITY
        ? maxAge
        : Math.max(LEAST_MS, Math.min(LOOK_MS, maxAge / BEATS)),
      maxMemory === Number.POSITIVE_INFINITY ? maxMemory : LOOK_MS,
    ]);
  }

  /** Of a worker that is about to be forked. */
  draw(): Limits {
    return limitsOf(this.#rules.recycle);
  }

  /** A worker more. */
  add(pid: number, limits: Limits, pull: () => void): void {
    const now = clock();
    const unknown = { report: undefined, progress: undefined, memory: undefined };
    const times = { heardAt: now, lookedAt: now, silent: 0, weighedAt: Number.NEGATIVE_INFINITY };
    this.#all.set(pid, { pid, limits, pull, ...unknown, ...times });
    if (this.#timer === undefined && this.#interval < Number.POSITIVE_INFINITY) this.#wait([]);
  }

  remove(pid: number): void {
    this.#all.delete(pid);
  }

  heard(pid: number, report: Report): void {
    const vitals = this.#all.get(pid);
    if (vitals === undefined) return;
    vitals.report = report;
    vitals.memory = report.memory ?? vitals.memory;
    vitals.heardAt = clock();
    if (report.requests >= vitals.limits.maxRequests) this.#actions.recycle(pid, 'maxRequests');
  }

  of(pid: number): Readonly<Vitals> | undefined {
    return this.#all.get(pid);
  }

  /** In a copy of the master, and at its end. */
  leave(): void {
    clearTimeout(this.#timer);
    this.#all.clear();
  }

  #wait(left: readonly number[]): void {
    // Not ever so often: what is left may last, for one that is starved.
    const least = Math.max(LEAST_MS, this.#interval / BEATS);
    const wait = Math.max(least, Math.min(this.#interval, ...left));
    // The wait for the workers keeps the master alive.
    this.#timer = setTimeout(() => this.#look(), wait).unref();
  }

  #look(): void {
    this.#timer = undefined;
    // After a time in which the master stood still the timers come first, and what was said waits.
    for (const { pull } of [...this.#all.values()]) pull();
    const serving = this.#actions
      .workers()
      .filter(({ readyAt, leaving }) => readyAt !== undefined && !leaving);
    const left = this.#rules.hangTimeout === 0 ? [] : this.#judge(serving);
    this.#retire(serving);
    if (this.#all.size > 0) this.#wait(left);
  }

  /** The milliseconds that those have left of whom nothing is heard. */
  #judge(serving: readonly WorkerState[]): number[] {
    const now = clock();
    const silent = serving.flatMap((worker) => {
      const vitals = this.#all.get(worker.pid);
      const one = vitals && this.#silence(vitals, now);
      return vitals && one ? [{ worker, vitals, ...one }] : [];
    });
    const times = couldHaveRun(silent, this.#processors);
    const { hangTimeout } = this.#rules;
    return silent.map(({ worker, vitals }, at) => {
      vitals.silent += times[at] as number;
      if (vitals.silent < hangTimeout) return hangTimeout - vitals.silent;
      if (isHeldUp(worker.pid) || isInspected(worker.pid)) vitals.silent = 0;
      else this.#actions.hung(worker, Math.round(vitals.silent));
      return hangTimeout;
    });
  }

  /** Looks at one; undefined if it has been heard of since the last look, or cannot be judged. */
  #silence(vitals: Vitals, now: number) {
    const [before, at] = [vitals.progress, vitals.lookedAt];
    const progress = progressOf(vitals.pid);
    Object.assign(vitals, { progress, lookedAt: now });
    const { report, heardAt } = vitals;
    if (report?.inspected || progress === undefined || before === undefined || heardAt >= at) {
      vitals.silent = report?.inspected ? 0 : Math.min(now - heardAt, this.#interval);
      return undefined;
    }
    // What is longer the master has missed itself: it was stopped, or starved.
    return { gap: Math.min(now - at, 2 * this.#interval), before, now: progress };
  }

  /** Whose time has come. */
  #retire(serving: readonly WorkerState[]): void {
    const now = clock();
    this.#weigh(serving, now);
    for (const { pid, born, fresh, replaced } of serving) {
      const vitals = this.#all.get(pid);
      // Those of a reload come, or go, by themselves.
      if (vitals === undefined || fresh !== undefined || replaced) continue;
      const { limits, report, memory } = vitals;
      if (now - born >= limits.maxAge) this.#actions.recycle(pid, 'maxAge');
      else if ((report?.requests ?? 0) >= limits.maxRequests)
        this.#actions.recycle(pid, 'maxRequests');
      else if ((memory?.privateBytes ?? 0) >= limits.maxMemory)
        this.#actions.recycle(pid, 'maxMemory');
    }
  }

  /** Reads the memory of one worker, the one for whom that is longest ago. */
  #weigh(serving: readonly WorkerState[], now: number): void {
    if (this.#rules.recycle.limits.maxMemory === Number.POSITIVE_INFINITY) return;
    const all = serving.flatMap(({ pid }) => this.#all.get(pid) ?? []);
    const [next] = all.toSorted((one, other) => one.weighedAt - other.weighedAt);
    if (next === undefined || now < this.#memoryAt) return;
    const seen = memoryOf(next.pid);
    // What it tells comes with its next report.
    if (seen === undefined) this.#actions.weigh(next.pid);
    else next.memory = seen;
    next.weighedAt = clock();
    this.#memoryAt = now + Math.max(LOOK_MS, MEMORY_SHARE * (next.weighedAt - now));
  }
}

/** Its inspector is open, where SIGUSR1 opens it: a breakpoint may have come before the next report. */
function isInspected(pid: number): boolean {
  return listensAt(pid).has(process.debugPort);
}

/** A worker that has not been heard of since the look before. */
export interface Silent {
  /** Milliseconds to account for. */
  gap: number;
  before: Progress;
  now: Progress;
}

const RUNNABLE = 'R';

/** Stopped by a signal or a tracer; ended. */
const STILL = ['T', 't', 'Z', 'X'];

/**
 * The milliseconds that each of the silent could have run. One that is stopped could not. One that waits in
 * a call could, except the time that it has waited for a processor. One that is about to run has had what
 * it ran: it may be starved. But workers in an endless loop starve one another. What one waits while others
 * of them run counts, by the part of the processors that these have.
 *
 * @param processors - how many there are to be had.
 */
export function couldHaveRun(silent: readonly Silent[], processors: number): number[] {
  const rans = silent.map(({ before, now }) => Math.max(0, now.ran - before.ran));
  const used = rans.reduce((sum, ran) => sum + ran, 0);
  return silent.map(({ gap, before, now }, at) => {
    if (STILL.includes(now.state) || gap <= 0) return 0;
    const waited = Math.min(gap, Math.max(0, now.waited - before.waited));
    const ran = Math.min(gap, rans[at] as number);
    const free = now.state === RUNNABLE ? ran : gap - waited;
    // The kernel books a wait when it is over: until then what it did not run is one.
    const lost = now.state === RUNNABLE ? gap - ran : waited;
    const theirs = (used - (rans[at] as number)) / Math.max(1, processors * gap - ran);
    return Math.min(gap, free + lost * Math.min(1, theirs));
  });
}
