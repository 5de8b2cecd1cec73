// The signals by which the master is told what to do.
import { constants } from 'node:os';
import { native } from '../addon/native.js';
import { SignalFlag } from '../signal/flag.js';
import { raiseAgain } from '../signal/inherited.js';
import { type SignalName, signalNumber } from '../system/signal-numbers.js';
import type { PreforkPlan } from './settings.js';

interface Actions {
  stop: () => void;
  reload: () => void;
  upgrade: () => void;
  /** The event loop cannot watch for signals any more. */
  deaf: (error: Error) => void;
}

function flagOf(signals: readonly SignalName[]): SignalFlag | undefined {
  return signals.length === 0 ? undefined : new SignalFlag(signals);
}

/** Has the signals of the options act, until it is disposed. */
export class Orders implements Disposable {
  readonly #stop: SignalFlag | undefined;
  readonly #reload: SignalFlag | undefined;
  readonly #upgrade: SignalFlag | undefined;
  readonly #stopSignals: readonly number[];
  #before: readonly number[] = [];
  #given = true;

  /** Takes the signals of all lists, or throws what SignalFlag does and takes none. */
  constructor(plan: PreforkPlan, actions: Actions) {
    this.#stopSignals = plan.stopSignals.map((name) => signalNumber(name, 'stopSignals'));
    this.#stop = flagOf(plan.stopSignals);
    try {
      this.#reload = flagOf(plan.reloadSignals);
      this.#upgrade = flagOf(plan.upgradeSignals);
    } catch (error) {
      this.#stop?.[Symbol.dispose]();
      this.#reload?.[Symbol.dispose]();
      throw error;
    }
    this.#obey(this.#stop, actions.stop).catch(actions.deaf);
    this.#obey(this.#reload, actions.reload).catch(actions.deaf);
    this.#obey(this.#upgrade, actions.upgrade).catch(actions.deaf);
  }

  /**
   * Another number when a signal has come to this process, or the one it was copied from, that stops the
   * master, or a worker (SIGTERM), and a flag has seen it.
   */
  get stops(): number {
    const seen = native.signalFlagSeen(constants.signals.SIGTERM);
    return this.#counts().reduce((sum, count) => sum + count, seen);
  }

  /** A fork is about to be made. */
  forks(): void {
    this.#before = this.#counts();
  }

  /** In a fork that is no worker: disposes it. What has come to the fork since is for it to act on. */
  leave(): void {
    this[Symbol.dispose]();
    // Not before it is off: what comes meanwhile is counted.
    const came = this.#counts().map((count, i) => count !== this.#before[i]);
    for (const number of this.#stopSignals.filter((_, i) => came[i])) raiseAgain(number);
  }

  #counts(): number[] {
    return [...(this.#stop?.view.subarray(1) ?? [])];
  }

  [Symbol.dispose](): void {
    this.#given = false;
    this.#stop?.[Symbol.dispose]();
    this.#reload?.[Symbol.dispose]();
    this.#upgrade?.[Symbol.dispose]();
  }

  async #obey(flag: SignalFlag | undefined, act: () => void): Promise<void> {
    if (flag === undefined) return;
    for await (const _ of flag) {
      if (this.#given) act();
    }
  }
}
