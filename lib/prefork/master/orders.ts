// The signals that control the master.
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
  /** Adds or removes one worker. */
  scale: (by: 1 | -1) => void;
  /** Called if the event loop cannot watch for signals any more. */
  deaf: (error: Error) => void;
}

/** Makes the signals of the options act until it is disposed. */
export class Orders implements Disposable {
  /** The signals that the master handles. */
  readonly signals: readonly SignalName[];
  readonly #flags: SignalFlag[] = [];
  readonly #stop: SignalFlag | undefined;
  readonly #stopSignals: readonly number[];
  #given = true;

  /** Takes the signals of all lists, or throws the error of SignalFlag and takes none. */
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
   * A number that changes when a flag has seen a signal that stops the master or a worker
   * (SIGTERM), in this process or the one that it was forked from.
   */
  get stops(): number {
    const seen = native.signalFlagSeen(constants.signals.SIGTERM);
    return this.#counts().reduce((sum, count) => sum + count, seen);
  }

  /**
   * In a fork that is not a worker: disposes the flags. Signals that have reached the fork are
   * raised again in it.
   */
  leave(): void {
    this[Symbol.dispose]();
    // Only after the flag is removed: signals that come before are counted.
    for (const number of this.#stopSignals) {
      if (!native.signalFlagCame(number)) continue;
      raiseAgain(number);
      // A daemon's listener may be about to be removed too, without having run.
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
