// The signals by which the master is told what to do.
import { SignalFlag } from '../signal.js';
import type { PreforkPlan } from './options.js';

interface Actions {
  stop: () => void;
  reload: () => void;
}

function flagOf(signals: readonly string[]): SignalFlag | undefined {
  return signals.length === 0 ? undefined : new SignalFlag(signals);
}

/** Has the signals of the options act, until it is disposed. */
export class Orders implements Disposable {
  readonly #stop: SignalFlag | undefined;
  readonly #reload: SignalFlag | undefined;
  #given = true;

  constructor(plan: PreforkPlan, actions: Actions) {
    this.#stop = flagOf(plan.stopSignals);
    this.#reload = flagOf(plan.reloadSignals);
    void this.#obey(this.#stop, actions.stop);
    void this.#obey(this.#reload, actions.reload);
  }

  /** How many signals to stop have come to this process and the one it was copied from. */
  get stops(): number {
    return this.#stop?.view.subarray(1).reduce((sum, count) => sum + count, 0) ?? 0;
  }

  [Symbol.dispose](): void {
    this.#given = false;
    this.#stop?.[Symbol.dispose]();
    this.#reload?.[Symbol.dispose]();
  }

  async #obey(flag: SignalFlag | undefined, act: () => void): Promise<void> {
    if (flag === undefined) return;
    for await (const _ of flag) {
      if (this.#given) act();
    }
  }
}
