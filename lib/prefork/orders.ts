// The signals by which the master is told what to do.
import { SignalFlag } from '../signal/flag.js';
import type { PreforkPlan } from './settings.js';

interface Actions {
  stop: () => void;
  reload: () => void;
  /** The event loop cannot watch for signals any more. */
  deaf: (error: Error) => void;
}

function flagOf(signals: readonly string[]): SignalFlag | undefined {
  return signals.length === 0 ? undefined : new SignalFlag(signals);
}

/** Has the signals of the options act, until it is disposed. */
export class Orders implements Disposable {
  readonly #stop: SignalFlag | undefined;
  readonly #reload: SignalFlag | undefined;
  #given = true;

  /** Takes the signals of both lists, or throws what SignalFlag does and takes none. */
  constructor(plan: PreforkPlan, actions: Actions) {
    this.#stop = flagOf(plan.stopSignals);
    try {
      this.#reload = flagOf(plan.reloadSignals);
    } catch (error) {
      this.#stop?.[Symbol.dispose]();
      throw error;
    }
    this.#obey(this.#stop, actions.stop).catch(actions.deaf);
    this.#obey(this.#reload, actions.reload).catch(actions.deaf);
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
