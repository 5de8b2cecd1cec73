// The health of the workers: their reports, and whether they still report.

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

/** The longest time between two looks at the workers, and between two reports of a worker. */
const LOOK_MS = 1000;

/** The number of reports within the hang timeout. A shorter silence is not a hang. */
const BEATS = 10;
const LEAST_MS = 10;

/** Reading a worker's memory blocks it: for at most a hundredth of the time. */
const MEMORY_SHARE = 100;

export interface VitalsRules {
  /** Milliseconds; 0 means never. */
  readonly hangTimeout: number;
  readonly recycle: RecycleRules;
}

interface Actions {
  /** The present workers. */
  workers: () => readonly WorkerState[];
  /** A worker has reached a limit. Called again as long as it stays. */
  recycle: (pid: number, reason: RecycleReason) => void;
  /** A worker could have run for so many milliseconds, but did not report. */
  hung: (worker: WorkerState, silent: number) => void;
  /** A worker must report its memory, because this process may not read it. */
  weigh: (pid: number) => void;
}

/** The data of one worker. */
interface Vitals {
  readonly pid: number;
  readonly limits: Limits;
  /** Reads the messages on its line. */
  readonly pull: () => void;
  report: Report | undefined;
  heardAt: number;
  lookedAt: number;
  /** The progress at the last look. */
  progress: Progress | undefined;
  /** How long it could have run without a report. */
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

/** Looks at the workers periodically, if an option requires it. */
export class Watchman {
  readonly #rules: VitalsRules;
  readonly #actions: Actions;
  readonly #all = new Map<number, Vitals>();
  /** Milliseconds between two looks; Infinity means never. */
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

  /** The limits of a worker that is about to be forked. */
  draw(): Limits {
    return limitsOf(this.#rules.recycle);
  }

  /** Adds a worker. */
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

  /** Called in a fork of the master, and at its end. */
  leave(): void {
    clearTimeout(this.#timer);
    this.#all.clear();
  }

  #wait(left: readonly number[]): void {
    // A lower bound: a worker without processor time may need very long.
    const least = Math.max(LEAST_MS, this.#interval / BEATS);
    const wait = Math.max(least, Math.min(this.#interval, ...left));
    // The wait for the workers already keeps the master alive.
    this.#timer = setTimeout(() => this.#look(), wait).unref();
  }

  #look(): void {
    this.#timer = undefined;
    // After the master was blocked, its timers run first, while messages still wait to be read.
    for (const { pull } of [...this.#all.values()]) pull();
    const serving = this.#actions
      .workers()
      .filter(({ readyAt, leaving }) => readyAt !== undefined && !leaving);
    const left = this.#rules.hangTimeout === 0 ? [] : this.#judge(serving);
    this.#retire(serving);
    if (this.#all.size > 0) this.#wait(left);
  }

  /** The remaining milliseconds of silent workers. */
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

  /** Examines one worker; undefined if it has reported since the last look, or cannot be judged. */
  #silence(vitals: Vitals, now: number) {
    const [before, at] = [vitals.progress, vitals.lookedAt];
    const progress = progressOf(vitals.pid);
    Object.assign(vitals, { progress, lookedAt: now });
    const { report, heardAt } = vitals;
    if (report?.inspected || progress === undefined || before === undefined || heardAt >= at) {
      vitals.silent = report?.inspected ? 0 : Math.min(now - heardAt, this.#interval);
      return undefined;
    }
    // A longer gap is the master's own: it was stopped, or had no processor time.
    return { gap: Math.min(now - at, 2 * this.#interval), before, now: progress };
  }

  /** Recycles workers that have reached a limit. */
  #retire(serving: readonly WorkerState[]): void {
    const now = clock();
    this.#weigh(serving, now);
    for (const { pid, born, fresh, replaced } of serving) {
      const vitals = this.#all.get(pid);
      // A reload handles its own workers.
      if (vitals === undefined || fresh !== undefined || replaced) continue;
      const { limits, report, memory } = vitals;
      if (now - born >= limits.maxAge) this.#actions.recycle(pid, 'maxAge');
      else if ((report?.requests ?? 0) >= limits.maxRequests)
        this.#actions.recycle(pid, 'maxRequests');
      else if ((memory?.privateBytes ?? 0) >= limits.maxMemory)
        this.#actions.recycle(pid, 'maxMemory');
    }
  }

  /** Reads the memory of the worker that was read longest ago. */
  #weigh(serving: readonly WorkerState[], now: number): void {
    if (this.#rules.recycle.limits.maxMemory === Number.POSITIVE_INFINITY) return;
    const all = serving.flatMap(({ pid }) => this.#all.get(pid) ?? []);
    const [next] = all.toSorted((one, other) => one.weighedAt - other.weighedAt);
    if (next === undefined || now < this.#memoryAt) return;
    const seen = memoryOf(next.pid);
    // Its next report contains the answer.
    if (seen === undefined) this.#actions.weigh(next.pid);
    else next.memory = seen;
    next.weighedAt = clock();
    this.#memoryAt = now + Math.max(LOOK_MS, MEMORY_SHARE * (next.weighedAt - now));
  }
}

/**
 * Whether its inspector is open on the port that SIGUSR1 opens: a breakpoint may have stopped the
 * worker before its next report.
 */
function isInspected(pid: number): boolean {
  return listensAt(pid).has(process.debugPort);
}

/** A worker that has not reported since the previous look. */
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
 * How many milliseconds each silent worker could have run. A stopped worker could not run. A worker
 * that waits in a call could, except for the time in which it waited for a processor. For a
 * runnable worker only the time that it ran counts, because it may lack processor time. But workers
 * in endless loops take processors from each other: a worker's wait counts while others of them
 * run, in proportion to the processors that these use.
 *
 * @param processors - the number of available processors.
 */
export function couldHaveRun(silent: readonly Silent[], processors: number): number[] {
  const rans = silent.map(({ before, now }) => Math.max(0, now.ran - before.ran));
  const used = rans.reduce((sum, ran) => sum + ran, 0);
  return silent.map(({ gap, before, now }, at) => {
    if (STILL.includes(now.state) || gap <= 0) return 0;
    const waited = Math.min(gap, Math.max(0, now.waited - before.waited));
    const ran = Math.min(gap, rans[at] as number);
    const free = now.state === RUNNABLE ? ran : gap - waited;
    // The kernel records a wait when it is over. Until then the time without running counts as a
    // wait.
    const lost = now.state === RUNNABLE ? gap - ran : waited;
    const theirs = (used - (rans[at] as number)) / Math.max(1, processors * gap - ran);
    return Math.min(gap, free + lost * Math.min(1, theirs));
  });
}
