// The signals by which the master is told what to do.
import { constants } from 'node:os';
import { native } from '../../addon/native.js';
import { SignalFlag } from '../../signal/flag.js';
import { isLeft, onceQuiet, raiseAgain } from '../../signal/inherited.js';
import { type SignalName, signalName, signalNumber } from '../../system/signal-numbers.js';
import type { PreforkPlan } from '../plan/settings.js';

interface Actions {
  stop: () => void;
  reload: () => void;
  upgrade: () => void;
  /** One worker more, or less. */
  scale: (by: 1 | -1) => void;
  /** The event loop cannot watch for signals any more. */
  deaf: (error: Error) => void;
}

/** Has the signals of the options act, until it is disposed. */
export class Orders implements Disposable {
  /** Those that are the master's to act on. */
  readonly signals: readonly SignalName[];
  readonly #flags: SignalFlag[] = [];
  readonly #stop: SignalFlag | undefined;
  readonly #stopSignals: readonly number[];
  #given = true;

  /** Takes the signals of all lists, or throws what SignalFlag does and takes none. */
  constructor(plan: PreforkPlan, actions: Actions) {
    const { stopSignals, reloadSignals, upgradeSignals, scaleUpSignals, scaleDownSignals } = plan;
    const others = [upgradeSignals, scaleUpSignals, scaleDownSignals].flat();
    this.signals = [...stopSignals, ...reloadSignals, ...others];
    this.#stopSignals = stopSignals.map((name) => signalNumber(name, 'stopSignals'));
    const take = (signals: readonly SignalName[], act: () => void) => {
      if (signals.length === 0) return undefined;
      const flag = new SignalFlag(signals);
      this.#flags.push(flag);
      this.#obey(flag, act).catch(actions.deaf);
      return flag;
    };
    try {
      this.#stop = take(stopSignals, actions.stop);
      take(reloadSignals, actions.reload);
      take(upgradeSignals, actions.upgrade);
      take(scaleUpSignals, () => actions.scale(1));
      take(scaleDownSignals, () => actions.scale(-1));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Another number when a signal has come to this process, or the one it was copied from, that stops the
   * master, or a worker (SIGTERM), and a flag has seen it.
   */
  get stops(): number {
    const seen = native.signalFlagSeen(constants.signals.SIGTERM);
    return this.#counts().reduce((sum, count) => sum + count, seen);
  }

  /** In a fork that is no worker: disposes it. What has come to the fork is for it to act on. */
  leave(): void {
    this[Symbol.dispose]();
    // Not before it is off: what comes meanwhile is counted.
    for (const number of this.#stopSignals) {
      if (!native.signalFlagCame(number)) continue;
      raiseAgain(number);
      // A daemon's listener may be about to be taken off too, and not have heard of it.
      if (isLeft(signalName(number))) onceQuiet(() => raiseAgain(number));
    }
  }

  #counts(): number[] {
    return [...(this.#stop?.view.subarray(1) ?? [])];
  }

  [Symbol.dispose](): void {
    this.#given = false;
    for (const flag of this.#flags) flag[Symbol.dispose]();
  }

  async #obey(flag: SignalFlag, act: () => void): Promise<void> {
    for await (const _ of flag) {
      if (this.#given) act();
    }
  }
}
