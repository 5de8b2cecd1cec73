// Signals that came to a fork before its hooks had run. The handlers are copies of the parent's, and have caught
// them: taken off without a word, they would take a SIGTERM with them that was meant for the child.

import { constants } from 'node:os';
import { native } from '../addon/native.js';
import { setImmediate } from '../base/timers.js';
import type { SignalName } from '../system/signal-numbers.js';
import { SignalFlag } from './flag.js';

const DEFAULT_ACTION = 0;

/** Node handles these from its start on, to give the terminal its mode back before it dies. */
const nodes = new Map(
  (['SIGTERM', 'SIGINT'] as const)
    .filter((name) => process.listenerCount(name) === 0)
    .map((name) => constants.signals[name])
    .map((number) => [number, native.signalHandler(number)]),
);

/** Whether a signal does what it does in any Node: neither a listener, a flag nor an addon handles it. */
export function isUnhandled(number: number): boolean {
  return [DEFAULT_ACTION, nodes.get(number)].includes(native.signalHandler(number));
}

/** Sends the process a signal that nobody but a copy of a handler has had. */
export function raiseAgain(number: number): void {
  // Any other handler was called as well.
  if (isUnhandled(number)) process.kill(native.getpid(), number);
}

/** Those of {@link onCaughtBefore}, until they are off. */
const passing = new Set<unknown>();

/** Whether a signal has listeners, and only such as will be taken off in a moment. */
export function isLeft(signal: SignalName): boolean {
  const listeners = process.listeners(signal as NodeJS.Signals);
  return listeners.length > 0 && listeners.every((one) => passing.has(one));
}

/** Calls back when every listener that {@link leaveListener} takes off is off. */
export function onceQuiet(callback: () => void): void {
  setImmediate(() => setImmediate(() => setImmediate(callback)));
}

/**
 * Calls back once: at a signal that was caught before this call or comes within the next turn of the event
 * loop, else after that. It may be one of the parent's, which that had not come to either.
 *
 * @returns its listener, which is taken off first.
 */
export function onCaughtBefore(signal: NodeJS.Signals, end: (heard: boolean) => void): () => void {
  let ended = false;
  const finish = (heard: boolean) => {
    if (ended) return;
    ended = true;
    process.off(signal, caught);
    passing.delete(caught);
    end(heard);
  };
  const caught = () => finish(true);
  passing.add(caught);
  process.on(signal, caught);
  // The first one may be of the turn that goes on now, whose events the event loop has already had.
  setImmediate(() => setImmediate(() => finish(false)));
  return caught;
}

function flagOf(signal: NodeJS.Signals): SignalFlag | undefined {
  try {
    return new SignalFlag(signal);
  } catch {
    return undefined; // for want of descriptors
  }
}

/**
 * Takes off a listener of the parent's. What it would have heard is told by {@link raiseAgain}.
 *
 * @param had - whether the program's own flags have had what was caught before: that is then not raised again,
 *   also when they are disposed by now.
 */
export function leaveListener(signal: NodeJS.Signals, listener: () => void, had: boolean): void {
  if (!process.listeners(signal).includes(listener)) return;
  // What comes before the last of them is off is counted, if the event loop does not tell.
  const flag = flagOf(signal);
  const end = (heard: boolean) => {
    flag?.[Symbol.dispose]();
    if ((heard && !had) || flag?.raised) raiseAgain(constants.signals[signal]);
  };
  // First, as without any listener the event loop forgets what was caught.
  onCaughtBefore(signal, end);
  process.off(signal, listener);
}
