// SIGTERM ends a daemon, unless somebody else in the process acts on it.
import { constants } from 'node:os';
import { native } from '../addon/native.js';
import { registry } from '../atfork/registry.js';
import { isUnhandled, leaveListener } from '../signal/inherited.js';

const { SIGTERM } = constants.signals;

/** A master may be of another copy of the package, whose flags the addon of this one does not know. */
function masterActsOnTerm(): boolean {
  return [...registry.masters].some(({ signals }) => signals.includes('SIGTERM'));
}

/**
 * Whether a listener would put no handler over one that an addon has installed: there is none, or
 * libuv's or a SignalFlag's is over it already.
 */
function mayListen(): boolean {
  if (isUnhandled(SIGTERM)) return true;
  return process.listenerCount('SIGTERM') > 0 || native.signalTaken(SIGTERM);
}

export class Termination implements Disposable {
  readonly #end: () => void;
  /** Of the SIGTERMs that some SignalFlag has seen, those that our listener knows of. */
  #flagged = native.signalFlagSeen(SIGTERM);

  /** @param end - is called when nobody else has been told. */
  constructor(end: () => void) {
    this.#end = end;
  }

  listen(): void {
    if (mayListen()) process.on('SIGTERM', this.#heard);
  }

  /** In a fork, which is no daemon. */
  leave(): void {
    // One that has come to the fork is for it, whatever its flags are: they may be those of a master. One
    // that came to the daemon while it was about to fork is the daemon's.
    const had = !native.signalFlagCame(SIGTERM) && this.#flagged !== native.signalFlagSeen(SIGTERM);
    leaveListener('SIGTERM', this.#heard, had);
  }

  [Symbol.dispose](): void {
    process.off('SIGTERM', this.#heard);
  }

  readonly #heard = (): void => {
    // One call for each delivery: a flag that is made or disposed meanwhile changes nothing.
    const flagged = this.#flagged !== native.signalFlagSeen(SIGTERM);
    if (flagged) this.#flagged = (this.#flagged + 1) | 0;
    // Whoever was told too has something to do before the end, and ends the process itself.
    if (flagged || masterActsOnTerm() || process.listenerCount('SIGTERM') > 1) return;
    this.#end();
  };
}
