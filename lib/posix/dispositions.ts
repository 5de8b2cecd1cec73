// What signals do to the process, and which are held back: sigaction(2), pthread_sigmask(3).

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
  /** Also signals that have a listener or a native handler, not only ignored ones. Default: true. */
  handled?: boolean | undefined;
  /** The signals to look at, one or several. Default: all. */
  signals?: Signal | readonly Signal[] | undefined;
}

/** The events that Node sends for a signal: SIGABRT and SIGIOT are one. */
function listened(signal: number): string[] {
  const names = process.eventNames().filter((name) => typeof name === 'string');
  return names.filter((name) => constants.signals[name as NodeJS.Signals] === signal);
}

/** Node's own, for reasons of its own: without them a write can kill the process. */
const ignoredByNode = (signal: number) => signal === SIGPIPE || signal === SIGXFSZ;

function resetHandled(signal: number, foreign: boolean): void {
  // process.stdout listens to SIGWINCH on a terminal, to learn its size.
  const events = signal === SIGWINCH ? [] : listened(signal);
  for (const event of events) process.removeAllListeners(event);
  // What libuv leaves behind is the default action, also where Node had it ignored.
  if ((foreign && !isRuntimes(signal)) || (events.length > 0 && ignoredByNode(signal))) {
    check(native.resetSignal(signal), 'sigaction');
  }
}

/** Resets one signal if it is for us to reset; whether that made a difference. */
function reset(signal: number, handled: boolean): boolean {
  const state = stateOf(signal);
  // Undefined: one that libc keeps to itself.
  if (state === undefined || state === 'default' || state === 'flag') return false;
  if (state !== 'ignored') {
    if (handled) resetHandled(signal, state === 'foreign');
  } else if (!ignoredByNode(signal)) {
    check(native.resetSignal(signal), 'sigaction');
  }
  return stateOf(signal) !== state;
}

/**
 * Restores the default action of signals: those that are ignored, those with `process.on()` listeners
 * (which are removed), and those that native code of others handles.
 *
 * Left alone is what the runtime needs: SIGPIPE and SIGXFSZ stay ignored (or are again, after a
 * listener); SIGCHLD of `child_process`, SIGWINCH of a terminal, Node's own handlers for SIGINT,
 * SIGTERM (they give the terminal its mode back and let the signal kill) and SIGUSR1 (the
 * debugger); the faults, as V8 catches SIGSEGV for WebAssembly, and SIGPROF; libc's signals 32 and
 * 33. Signals with a {@link SignalFlag} are left to it: dispose it. The mask is
 * {@link signalMask}'s.
 *
 * @param opts - `handled: false` resets ignored signals only, `signals` these only.
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

/** Ignores signals whatever handles them, until the returned object is disposed. */
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
 * Ignores signals (SIG_IGN), as `nohup` does with SIGHUP. Programs that the process execs inherit
 * that, except those that `child_process` starts: libuv resets them.
 *
 * A `process.on()` listener or {@link SignalFlag} that comes later takes the signal over; when it
 * goes, a flag leaves the signal ignored, libuv leaves the default action.
 *
 * @param signals - a signal's name or number, or an array of them.
 * @returns an object that, disposed, restores what each signal did before, unless other code has
 *   changed that since or ignores it as well. It need not be kept.
 * @throws `TypeError` (`ERR_INVALID_ARG_VALUE`) for signals that cannot be ignored or that the
 *   runtime needs: SIGKILL, SIGSTOP, the faults, SIGPROF, SIGCHLD, libc's own, unknown names, an
 *   empty array; (`ERR_INVALID_ARG_TYPE`) for what is no signal; `RangeError` for a number that is
 *   none. `ERR_INVALID_STATE` if a listener or SignalFlag handles one of them: remove it first. No
 *   signal is changed then. `ERR_WORKER_UNSUPPORTED_OPERATION` in a Worker.
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

/** Numbers of cpp/sys/dispositions.h, which are its own: SIG_BLOCK differs between systems. */
const HOW = { block: 1, unblock: 2, set: 3 } as const;

/**
 * Returns which signals the **main thread** has blocked, and changes nothing.
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
 * The mask is one thread's, and libuv's and V8's threads have masks of their own: a signal sent to
 * the process is taken by another thread where the main one has it blocked, and its handlers run.
 * What blocking does do: programs started by exec inherit the mask (`child_process` and execve() empty it, as
 * libuv does), and so do {@link fork}'s children and threads made later.
 *
 * @param how - `block` these signals too, `unblock` them, or `set`: block them and no others.
 * @param signals - a signal's name or number, or an array of them, which may be empty.
 * @returns the names of the signals that were blocked before the call.
 * @throws `TypeError` (`ERR_INVALID_ARG_VALUE`) for another `how`, unknown names, and for blocking
 *   what cannot be blocked or must not be: SIGKILL, SIGSTOP, the faults, SIGPROF, libc's own;
 *   (`ERR_INVALID_ARG_TYPE`) for what is no signal; `RangeError` for a number that is none.
 *   `ERR_WORKER_UNSUPPORTED_OPERATION` in a Worker.
 *
 * Source: pthread_sigmask(3), POSIX.1; daemon(7) step 3. The same on Linux and FreeBSD.
 */
export function signalMask(
  how: 'block' | 'unblock' | 'set',
  signals: Signal | readonly Signal[],
): SignalName[];
export function signalMask(...args: [how?: unknown, signals?: unknown]): SignalName[] {
  const [how, signals] = args;
  // Not by mere look-up: an array of one word is that word as a key, and some objects are no key.
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
