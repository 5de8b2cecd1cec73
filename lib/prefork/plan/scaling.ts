// Checks requests for the number of workers, by calls and signals.
import { closeSync, openSync } from 'node:fs';
import { type Abortable, signalIn } from '../../base/abort.js';
import { integer, options } from '../../base/validate.js';
import {
  catchableSignal,
  type SignalName,
  signalList,
  signalName,
} from '../../system/signal-numbers.js';
import type { PreforkOptions, ReloadOptions } from '../options.js';

/** The most workers that a master may have. */
export const MOST = 1024;

/** A number of workers. */
export function workerCount(value: unknown, name: string): number {
  return integer(value, name, 1, MOST);
}

/**
 * How many new workers a reload may have at a time. Infinity: all of them, and they wait for each
 * other.
 */
export function surgeOf(value: unknown, name: string): number {
  return value === undefined || value === Number.POSITIVE_INFINITY
    ? Number.POSITIVE_INFINITY
    : workerCount(value, name);
}

/** The arguments of reload(). */
export function reloadCall(value: unknown) {
  const given = options<ReloadOptions>(value, ['signal', 'surge']);
  const surge = given.surge === undefined ? undefined : surgeOf(given.surge, 'options.surge');
  return { signal: signalIn(given as Abortable), surge };
}

/** Whether a terminal may stop this process as a background job. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    // ENXIO: there is none.
    return false;
  }
}

/**
 * A background process that reads from or writes to its terminal gets SIGTTIN or SIGTTOU. With a
 * handler the call restarts, and gets the signal again, forever, without running any JavaScript. So
 * with a terminal these signals stop the process as usual.
 *
 * @param taken - the signals that have another meaning.
 *
 * Source: tty_check_change() and job_control() in Linux's tty_jobctrl.c and n_tty.c (ERESTARTSYS); termios(4).
 */
export function scaleSignals(given: Partial<PreforkOptions>, taken: readonly SignalName[]) {
  const usual = (name: SignalName) => (taken.includes(name) || hasTerminal() ? [] : [name]);
  const { scaleUpSignals = usual('SIGTTIN'), scaleDownSignals = usual('SIGTTOU') } = given;
  const list = (value: unknown, name: string) =>
    signalList(value, `options.${name}`, catchableSignal, 0).map(signalName);
  return {
    scaleUpSignals: list(scaleUpSignals, 'scaleUpSignals'),
    scaleDownSignals: list(scaleDownSignals, 'scaleDownSignals'),
  };
}
