// SIGTERM ends a daemon, unless other code in the process handles it.
import { constants } from 'node:os';
import { native } from '../addon/native.js';
import { registry } from '../atfork/registry.js';
import { isUnhandled, leaveListener } from '../signal/inherited.js';

const { SIGTERM } = constants.signals;

/**
 * A master may belong to another copy of the package, whose flags this copy's addon does not know.
 */
function masterActsOnTerm(): boolean {
  return [...registry.masters].some(({ signals }) => signals.includes('SIGTERM'));
}

/**
 * Whether a listener would not replace a handler of an addon: there is none, or libuv's or a
 * SignalFlag's handler has replaced it already.
 */
function mayListen(): boolean {
  if (isUnhandled(SIGTERM)) return true;
  return process.listenerCount('SIGTERM') > 0 || native.signalTaken(SIGTERM);
}

export class Termination implements Disposable {
  readonly #end: () => void;
  /** The number of SIGTERMs seen by a SignalFlag that our listener has accounted for. */
  #flagged = native.signalFlagSeen(SIGTERM);

  /** @param end - called when no other code has received the signal. */
  constructor(end: () => void) {
    this.#end = end;
  }

  listen(): void {
    if (mayListen()) process.on('SIGTERM', this.#heard);
  }

  /** In a fork, which is not the daemon. */
  leave(): void {
    // A SIGTERM that was sent to the fork is the fork's, whatever its flags are: they may be a
    // master's. A SIGTERM that reached the daemon just before the fork is the daemon's.
    const had = !native.signalFlagCame(SIGTERM) && this.#flagged !== native.signalFlagSeen(SIGTERM);
    leaveListener('SIGTERM', this.#heard, had);
  }

  [Symbol.dispose](): void {
    process.off('SIGTERM', this.#heard);
  }

  readonly #heard = (): void => {
    // There is one call for each delivery: making or disposing a flag in between changes nothing.
    const flagged = this.#flagged !== native.signalFlagSeen(SIGTERM);
    if (flagged) this.#flagged = (this.#flagged + 1) | 0;
    // Other code that received the signal has something to do first, and must end the process
    // itself.
    if (flagged || masterActsOnTerm() || process.listenerCount('SIGTERM') > 1) return;
    this.#end();
  };
}
