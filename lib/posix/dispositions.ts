// Signal dispositions and the signal mask: sigaction(2), pthread_sigmask(3).

import { constants } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { expectNode } from '../addon/host.js';
import { nameOf } from '../addon/names.js';
import { native } from '../addon/native.js';
import { check, invalidArgValue, invalidState, workerUnsupported } from '../base/errors.js';
import { boolean, options } from '../base/validate.js';
import {
  allSignals,
  catchableSignal,
  isRuntimes,
  type Signal,
  type SignalName,
  signalList,
  signalName,
  signalNumber,
} from '../system/signal-numbers.js';

const { SIGCHLD, SIGPIPE, SIGWINCH, SIGXFSZ } = constants.signals;

const stateOf = (signal: number) => nameOf('dispositions', native.disposition(signal));

/** Options of {@link resetSignals}. */
export interface ResetSignalsOptions {
  /**
   * Reset signals with a listener or a native handler too, not only ignored ones. Default: true.
   */
  handled?: boolean | undefined;
  /** The signal or signals to reset. Default: all. */
  signals?: Signal | readonly Signal[] | undefined;
}

/** The events that Node emits for a signal. SIGABRT and SIGIOT are the same signal. */
function listened(signal: number): string[] {
  const names = process.eventNames().filter((name) => typeof name === 'string');
  return names.filter((name) => constants.signals[name as NodeJS.Signals] === signal);
}

/** Signals that Node itself ignores: otherwise a write could kill the process. */
const ignoredByNode = (signal: number) => signal === SIGPIPE || signal === SIGXFSZ;

function resetHandled(signal: number, foreign: boolean): void {
  // On a terminal process.stdout listens to SIGWINCH, to update its size.
  const events = signal === SIGWINCH ? [] : listened(signal);
  for (const event of events) process.removeAllListeners(event);
  // When a listener is removed, libuv sets the default action, even for signals that Node ignores.
  if ((foreign && !isRuntimes(signal)) || (events.length > 0 && ignoredByNode(signal))) {
    check(native.resetSignal(signal), 'sigaction');
  }
}

/** Resets one signal if it may be reset; returns whether anything changed. */
function reset(signal: number, handled: boolean): boolean {
  const state = stateOf(signal);
  // Undefined: a signal that libc reserves.
  if (state === undefined || state === 'default' || state === 'flag') return false;
  if (state !== 'ignored') {
    if (handled) resetHandled(signal, state === 'foreign');
  } else if (!ignoredByNode(signal)) {
    check(native.resetSignal(signal), 'sigaction');
  }
  return stateOf(signal) !== state;
}

/**
 * Restores the default action of signals: those that are ignored, those with `process.on()`
 * listeners (which are removed), and those with native handlers of addons.
 *
 * It does not reset what the runtime needs: SIGPIPE and SIGXFSZ stay ignored (or are ignored again,
 * after a listener); SIGCHLD of `child_process`; SIGWINCH of a terminal; Node's own handlers for
 * SIGINT and SIGTERM (they restore the terminal's mode, then let the signal end the process) and
 * SIGUSR1 (the debugger); the fault signals, because V8 catches SIGSEGV for WebAssembly; SIGPROF;
 * and the two signals of libc (32 and 33). It does not reset signals with a {@link SignalFlag}
 * either: dispose the flag. It does not change the mask: see {@link signalMask}.
 *
 * @param opts - `handled: false` resets only ignored signals; `signals` limits the call to these
 *   signals.
 * @returns the names of the signals that it reset.
 * @throws `TypeError`, `RangeError` for wrong options; `TypeError` in a Worker
 *   (`ERR_WORKER_UNSUPPORTED_OPERATION`): dispositions belong to the process.
 *
 * Source: sigaction(2), POSIX.1; daemon(7) step 2. The same on Linux and FreeBSD.
 */
export function resetSignals(opts?: ResetSignalsOptions): SignalName[] {
  const { handled = true, signals } = options<ResetSignalsOptions>(opts, ['handled', 'signals']);
  boolean(handled, 'options.handled');
  const chosen =
    signals === undefined ? allSignals() : signalList(signals, 'options.signals', signalNumber, 0);
  if (!isMainThread) throw workerUnsupported('resetSignals()');
  expectNode('resetSignals()', 'sigaction');
  return chosen.filter((signal) => reset(signal, handled)).map(signalName);
}

function ignorableSignal(value: unknown, name: string): number {
  const signal = catchableSignal(value, name);
  if (signal !== SIGCHLD) return signal;
  throw invalidArgValue(
    name,
    value,
    'is refused: SIGCHLD cannot be ignored: child_process needs it',
  );
}

/** Ignores signals, even handled ones, until the returned object is disposed. */
export function ignore(signals: readonly number[]): Disposable {
  const done: number[] = [];
  const restore = () => {
    while (done.length > 0) check(native.unignoreSignal(done.pop() as number), 'sigaction');
  };
  try {
    for (const signal of signals) {
      check(native.ignoreSignal(signal), 'sigaction');
      done.push(signal);
    }
  } catch (error) {
    restore();
    throw error;
  }
  return { [Symbol.dispose]: restore };
}

/**
 * Ignores signals (SIG_IGN), as `nohup` does with SIGHUP. Programs that the process executes
 * inherit this, except those that `child_process` starts, because libuv resets the signals.
 *
 * A later `process.on()` listener or {@link SignalFlag} takes the signal over. After a flag is
 * disposed, the signal is ignored again. After a listener is removed, the signal has its default
 * action.
 *
 * @param signals - a signal's name or number, or an array of them.
 * @returns a Disposable; disposing it restores the former action of each signal, unless other code
 *   has changed the action since or ignores the signal too. You need not keep it.
 * @throws `TypeError` (`ERR_INVALID_ARG_VALUE`) for signals that cannot be ignored or that the
 *   runtime needs: SIGKILL, SIGSTOP, the faults, SIGPROF, SIGCHLD, libc's own, unknown names, an
 *   empty array; (`ERR_INVALID_ARG_TYPE`) for anything except a signal; `RangeError` for a number
 *   that is not a signal. `ERR_INVALID_STATE` if a listener or SignalFlag handles one of them:
 *   remove it first. After an error no signal is changed. `ERR_WORKER_UNSUPPORTED_OPERATION` in a
 *   Worker.
 *
 * Source: sigaction(2), POSIX.1. The same on Linux and FreeBSD.
 */
export function ignoreSignals(signals: Signal | readonly Signal[]): Disposable {
  const numbers = signalList(signals, 'signals', ignorableSignal);
  if (!isMainThread) throw workerUnsupported('ignoreSignals()');
  expectNode('ignoreSignals()', 'sigaction');
  for (const signal of numbers) {
    if (listened(signal).length > 0 || stateOf(signal) === 'flag') {
      throw invalidState(`${signalName(signal)} has a listener or a SignalFlag`);
    }
  }
  return ignore(numbers);
}

/**
 * The numbers of cpp/sys/dispositions.h. They are not SIG_BLOCK and so on, which differ between
 * systems.
 */
const HOW = { block: 1, unblock: 2, set: 3 } as const;

/**
 * Returns which signals the **main thread** has blocked.
 *
 * @returns the names of the signals.
 * @throws `ERR_WORKER_UNSUPPORTED_OPERATION` in a Worker.
 *
 * Source: pthread_sigmask(3), POSIX.1. The same on Linux and FreeBSD.
 */
export function signalMask(): SignalName[];
/**
 * Changes which signals the **main thread** has blocked.
 *
 * Each thread has its own mask, also those of libuv and V8. If the main thread blocks a signal that
 * is sent to the process, another thread receives it, and its handlers run. Blocking matters
 * because programs started by exec inherit the mask (except by `child_process` and execve(), which
 * empty it), and so do children of {@link fork} and later threads.
 *
 * @param how - `block` these signals too, `unblock` them, or `set`: block them and no others.
 * @param signals - a signal's name or number, or an array of them, which may be empty.
 * @returns the names of the signals that were blocked before the call.
 * @throws `TypeError` (`ERR_INVALID_ARG_VALUE`) for another `how`, unknown names, and for signals
 *   that cannot or must not be blocked: SIGKILL, SIGSTOP, the faults, SIGPROF, libc's own;
 *   (`ERR_INVALID_ARG_TYPE`) for anything except a signal; `RangeError` for a number that is not a
 *   signal. `ERR_WORKER_UNSUPPORTED_OPERATION` in a Worker.
 *
 * Source: pthread_sigmask(3), POSIX.1; daemon(7) step 3. The same on Linux and FreeBSD.
 */
export function signalMask(
  how: 'block' | 'unblock' | 'set',
  signals: Signal | readonly Signal[],
): SignalName[];
export function signalMask(...args: [how?: unknown, signals?: unknown]): SignalName[] {
  const [how, signals] = args;
  // Checks the type too: as a key, an array of one word equals that word, and some objects cannot
  // be keys.
  if (args.length > 0 && !(typeof how === 'string' && Object.hasOwn(HOW, how))) {
    throw invalidArgValue('how', how, "must be 'block', 'unblock' or 'set'");
  }
  const change = args.length === 0 ? 0 : HOW[how as keyof typeof HOW];
  const allowed = change === HOW.unblock ? signalNumber : catchableSignal;
  const numbers = change === 0 ? [] : signalList(signals, 'signals', allowed, 0);
  if (!isMainThread) throw workerUnsupported('signalMask()');
  const before = native.signalMask(change, numbers);
  check(before[0] ?? 0, 'pthread_sigmask');
  return before.map(signalName);
}
