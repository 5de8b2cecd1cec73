// Observes the workers: reports for other programs, recycling, and hangs.

import { clock } from '../../base/alarm.js';
import type { SignalName } from '../../system/signal-numbers.js';
import type { HungWorker, RecycleReason, WorkerExit } from '../options.js';
import type { State, WorkerState } from '../state/state.js';
import type { PreforkStats } from '../told.js';
import { upgradeReport } from '../upgrade/report.js';
import type { Report } from '../worker/line.js';
import type { PulseOptions } from '../worker/pulse.js';
import { Board } from './board.js';
import { publishChanges, publishWorker } from './published.js';
import type { Limits } from './recycle.js';
import { Ledger, preforkStats } from './stats.js';
import { beatOf, type VitalsRules, Watchman } from './vitals.js';

interface Actions {
  state: () => State;
  /** A worker has reached a limit. */
  recycle: (pid: number, reason: RecycleReason) => void;
  /** A worker hangs. */
  hung: (worker: HungWorker) => void;
  /** A worker must report its memory. */
  weigh: (pid: number) => void;
}

interface Rules {
  vitals: VitalsRules;
  hangSignal: SignalName;
}

export class Overseer {
  readonly #beat: number;
  readonly #state: () => State;
  readonly #watchman: Watchman;
  readonly #ledger = new Ledger();
  readonly #board: Board;

  constructor({ vitals, hangSignal: signal }: Rules, { state, recycle, hung, weigh }: Actions) {
    this.#beat = beatOf(vitals);
    this.#state = state;
    this.#watchman = new Watchman(vitals, {
      workers: () => state().workers,
      recycle,
      weigh,
      hung: (worker, silent) => {
        const { seat: id, pid, generation } = worker;
        publishWorker(worker, { event: 'hung', signal, silent });
        hung({ id, pid, generation, silent, signal });
      },
    });
    this.#board = new Board(() => JSON.stringify(this.#written()));
  }

  /** An upgrade has begun, or failed. */
  upgraded(): void {
    this.#board.stir('state');
  }

  #written() {
    return { at: Date.now(), ...this.stats(false), upgrade: upgradeReport() };
  }

  /** The state has changed. */
  changed(before: State | undefined, after: State): void {
    this.#board.stir('state');
    publishChanges(before, after);
  }

  /** The limits of a worker that is about to be forked. */
  draw(): Limits {
    return this.#watchman.draw();
  }

  /** What such a worker must report. */
  pulse({ maxRequests, maxMemory }: Limits): PulseOptions {
    const weighed = maxMemory < Number.POSITIVE_INFINITY;
    return { interval: this.#beat, maxRequests, weighed };
  }

  /** @param pull - reads the messages on its line. */
  add(pid: number, limits: Limits, pull: () => void): void {
    this.#watchman.add(pid, limits, pull);
  }

  heard(pid: number, report: Report): void {
    this.#watchman.heard(pid, report);
    this.#board.stir('report');
  }

  /** A worker has ended. */
  ended(worker: WorkerState, exit: WorkerExit): void {
    this.#watchman.remove(worker.pid);
    this.#ledger.note(worker, exit);
    this.#board.stir('state');
    publishWorker(worker, { event: 'ended', exit });
  }

  /** @param memory - also read the workers' memory. */
  stats(memory: boolean): PreforkStats {
    const asking = { now: clock(), beat: this.#beat, memory };
    return preforkStats(this.#state(), this.#watchman, this.#ledger, asking);
  }

  /** At the end of the master, and in copies of it. */
  leave(): void {
    this.#watchman.leave();
    this.#board.close();
  }
}
