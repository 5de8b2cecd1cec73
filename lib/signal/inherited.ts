// Signals that reach a fork before its hooks have run. Copies of the parent's handlers catch them.
// If these were simply removed, a SIGTERM for the child would be lost.

import { constants } from 'node:os';
import { native } from '../addon/native.js';
import { setImmediate, setTimeout } from '../base/timers.js';
import type { SignalName } from '../system/signal-numbers.js';
import { SignalFlag } from './flag.js';

const DEFAULT_ACTION = 0;

/** Node handles these from its start, to restore the terminal's mode before it ends. */
const nodes = new Map(
  (['SIGTERM', 'SIGINT'] as const)
    .filter((name) => process.listenerCount(name) === 0)
    .map((name) => constants.signals[name])
    .map((number) => [number, native.signalHandler(number)]),
);

/** Whether a signal has Node's default behaviour: no listener, flag or addon handles it. */
export function isUnhandled(number: number): boolean {
  return [DEFAULT_ACTION, nodes.get(number)].includes(native.signalHandler(number));
}

/** Sends the process a signal again that only a copied handler has received. */
export function raiseAgain(number: number): void {
  // Any other handler has received the signal already.
  if (isUnhandled(number)) process.kill(native.getpid(), number);
}

/** The listeners of {@link onCaughtBefore}, until they are removed. */
const passing = new Set<unknown>();

/** Whether a signal has only listeners that will soon be removed. */
export function isLeft(signal: SignalName): boolean {
  const listeners = process.listeners(signal as NodeJS.Signals);
  return listeners.length > 0 && listeners.every((one) => passing.has(one));
}

const waiting: (() => void)[] = [];

/** Calls back when {@link leaveListener} has removed all its listeners. */
export function onceQuiet(callback: () => void): void {
  waiting.push(callback);
}

/**
 * How long a signal may need from the kernel to the event loop. While the threads of a fork come
 * back, the kernel gives a signal to any of them; on a crowded machine that thread can lose the
 * processor inside the signal handler. Without this time, 4 of 25,800 forks of a daemon lost a
 * SIGTERM that was sent to them at once (two processors, load 14 to 50).
 */
const LATE_MS = 200;

/**
 * Calls back once: at a signal that was caught before this call or arrives soon after it, otherwise
 * after {@link LATE_MS}. It may be a signal of the parent, which the parent had not handled yet.
 *
 * @returns its listener, which is removed first.
 */
export function onCaughtBefore(signal: NodeJS.Signals, end: (heard: boolean) => void): () => void {
  let ended = false;
  const finish = (heard: boolean) => {
    if (ended) return;
    ended = true;
    process.off(signal, caught);
    passing.delete(caught);
    end(heard);
    if (passing.size === 0) for (const callback of waiting.splice(0)) callback();
  };
  const caught = () => finish(true);
  passing.add(caught);
  process.on(signal, caught);
  // The immediate runs after the event loop has handled what has come in the meantime.
  setTimeout(() => setImmediate(() => finish(false)), LATE_MS).unref();
  return caught;
}

function flagOf(signal: NodeJS.Signals): SignalFlag | undefined {
  try {
    return new SignalFlag(signal);
  } catch {
    return undefined; // no descriptors are left
  }
}

/**
 * Removes a listener of the parent. {@link raiseAgain} repeats a signal that it would have
 * received.
 *
 * @param had - whether the program's own flags have received the earlier signals. Then these are
 *   not raised again, even if the flags are disposed now.
 */
export function leaveListener(signal: NodeJS.Signals, listener: () => void, had: boolean): void {
  if (!process.listeners(signal).includes(listener)) return;
  // Counts signals that arrive before the last listener is removed, if the event loop does not
  // report them.
  const flag = flagOf(signal);
  const end = (heard: boolean) => {
    flag?.[Symbol.dispose]();
    if ((heard && !had) || flag?.raised) raiseAgain(constants.signals[signal]);
  };
  // First, because without a listener the event loop forgets caught signals.
  onCaughtBefore(signal, end);
  process.off(signal, listener);
}
