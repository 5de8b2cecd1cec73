// Calls for a reload. One reload runs, and all calls that come during it are joined in one more
// after it. Also the warmup of each generation.
import { Waits } from '../../base/abort.js';
import { clock } from '../../base/alarm.js';
import { invalidState } from '../../base/errors.js';
import type { PreforkPlan } from '../plan/settings.js';
import * as event from '../state/state.js';
import { warm } from '../warmup/warmup.js';
import type { Callbacks } from './callbacks.js';
import type { Turns } from './turns.js';

/** A reload, with the calls that wait for it. */
class Reload extends Waits<void> {
  /** How many new workers the reload may have at a time. */
  surge = Number.POSITIVE_INFINITY;
}

export class Reloads {
  readonly #plan: PreforkPlan;
  readonly #callbacks: Callbacks;
  readonly #turns: Turns;
  #current: Reload | undefined;
  #following: Reload | undefined;

  constructor(plan: PreforkPlan, callbacks: Callbacks, turns: Turns) {
    this.#plan = plan;
    this.#callbacks = callbacks;
    this.#turns = turns;
  }

  /** Warms up before the first workers. */
  warmFirst(): void {
    const turns = this.#turns;
    warm(this.#plan, {
      wanted: () => turns.running,
      settling: () => {},
      settled: (error) => turns.apply((state) => event.warmed(state, error)),
    });
  }

  /**
   * @param surge - how many new workers at a time. If several calls wait for the same reload, the
   * smallest number counts.
   */
  ask(surge: number, signal: AbortSignal | undefined): Promise<void> {
    const begins = this.#current === undefined;
    const reload = begins ? new Reload() : (this.#following ?? new Reload());
    reload.surge = Math.min(reload.surge, surge);
    if (begins) this.#current = reload;
    else this.#following = reload;
    const ended = reload.add(signal, (error) => this.#aborted(reload, error));
    if (begins) this.#begin(reload);
    return ended;
  }

  /** The running reload has ended. */
  end(error: Error | undefined, running: boolean): void {
    const [ended, following] = [this.#current, this.#following];
    this.#current = undefined;
    this.#following = undefined;
    // If the master stops, the rejection of a reload must not count as unhandled.
    if (!running) following?.reject(invalidState('the master stops'), true);
    if (error === undefined) ended?.resolve();
    else ended?.reject(error, !running);
    if (!running || following === undefined) return;
    this.#current = following;
    this.#begin(following);
  }

  /** Called in a fork of the master. */
  forget(): void {
    this.#current?.forget();
    this.#following?.forget();
    this.#current = undefined;
    this.#following = undefined;
  }

  /**
   * A call was aborted; true if its promise is rejected later, when nothing of the reload is left.
   */
  #aborted(reload: Reload, error: Error): boolean {
    if (reload.size > 1) return false;
    if (reload === this.#following) this.#following = undefined;
    return reload === this.#current && this.#abandon(error);
  }

  /** Cancels the running reload, for which no call waits any more. False if it is too late. */
  #abandon(error: Error): boolean {
    const inTime = event.reloadAbandoned(this.#turns.state, error) !== this.#turns.state;
    this.#turns.apply((state) => event.reloadAbandoned(state, error));
    return inTime;
  }

  #begin(reload: Reload): void {
    const { warmup, rules } = this.#plan;
    const turns = this.#turns;
    turns.apply((state, now) => event.reloadAsked(state, now, reload.surge));
    // Not for an earlier reload, which has timed out.
    const wanted = () => this.#current === reload && turns.state.reload?.stage === 'hook';
    const settled = (error?: Error) =>
      turns.apply((state, now) => event.hookSettled(state, now, error));
    const warms = (deadline: number) => turns.apply((state) => event.reloadWarms(state, deadline));
    this.#callbacks.reload((error) => {
      if (!wanted()) return;
      if (error !== undefined || warmup === false) return settled(error);
      warms(clock() + rules.readyTimeout);
      warm(this.#plan, { wanted, settling: () => warms(Number.POSITIVE_INFINITY), settled });
    });
  }
}
