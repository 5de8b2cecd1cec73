// Signals by name and by number: signal(7).
import { constants } from 'node:os';
import { native } from '../addon/native.js';
import { invalidArgType, invalidArgValue } from '../base/errors.js';
import { nearest } from '../base/nearest.js';
import { integer } from '../base/validate.js';

/**
 * The name of a real-time signal, counted from either end of the range that the C library leaves to
 * programs. The C library reserves the first two or three, which have only numbers: nptl(7); on
 * FreeBSD libthr.
 */
export type RealTimeSignal =
  | 'SIGRTMIN'
  | 'SIGRTMAX'
  | `SIGRTMIN+${number}`
  | `SIGRTMAX-${number}`
  | 'SIG32'
  | 'SIG33'
  | 'SIG34';

/** A signal's name, the form in results. */
export type SignalName = NodeJS.Signals | RealTimeSignal;

/** A signal as an argument: its name, or its number on this system. */
export type Signal = SignalName | number;

const RT_MIN = native.signalRtMin();
const RT_MAX = native.signalRtMax();

const numbers = new Map<string, number>(Object.entries(constants.signals));
for (let n = RT_MIN; n <= RT_MAX; n++) {
  numbers.set(`SIGRTMIN+${n - RT_MIN}`, n);
  numbers.set(`SIGRTMAX-${RT_MAX - n}`, n);
}
for (let n = 32; n < Math.min(RT_MIN, 35); n++) numbers.set(`SIG${n}`, n);
numbers.set('SIGRTMIN', RT_MIN);
numbers.set('SIGRTMAX', RT_MAX);

// SIGABRT rather than SIGIOT, SIGRTMIN+1 rather than SIGRTMAX-29: the name that was entered first.
const names = new Map([...numbers].reverse().map(([name, number]) => [number, name]));

function meant(name: string): string {
  // The common prefix must not count for similarity.
  const bare = (text: string) => text.toUpperCase().replace(/^SIG/, '');
  const known = [...numbers.keys()].map(bare).filter((word) => /^[A-Z]/.test(word));
  const like = nearest(bare(name), known);
  return like === undefined ? '' : `: did you mean 'SIG${like}'?`;
}

/** The number of a signal given by its name (`SIGTERM`, `SIGRTMIN+2`, `SIGRTMAX-1`) or number. */
export function signalNumber(value: unknown, name: string): number {
  if (typeof value === 'number') return integer(value, name, 1, RT_MAX);
  if (typeof value !== 'string') throw invalidArgType(name, 'a signal name or number', value);
  const number = numbers.get(value);
  if (number === undefined) {
    throw invalidArgValue(name, value, `is not the name of a signal${meant(value)}`);
  }
  return number;
}

/** The name of a signal. */
export function signalName(number: number): SignalName {
  return (names.get(number) ?? `SIG${number}`) as SignalName;
}

/** The numbers of all signals, including libc's own. */
export function allSignals(): number[] {
  return Array.from({ length: RT_MAX }, (_, i) => i + 1);
}

/** A signal or an array of signals as numbers, without repetitions; `one` checks each. */
export function signalList(
  value: unknown,
  name: string,
  one: (value: unknown, name: string) => number,
  atLeast = 1,
): number[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length < atLeast) throw invalidArgValue(name, value, 'must not be empty');
  // Array.from() also checks holes, which map() skips.
  return [...new Set(Array.from(list, (signal) => one(signal, name)))];
}

const FAULT = 'is a fault signal: the faulting instruction would run again after the handler';
const refusals = new Map<string, string>([
  ['SIGKILL', 'cannot be caught, blocked or ignored'],
  ['SIGSTOP', 'cannot be caught, blocked or ignored'],
  ['SIGSEGV', FAULT],
  ['SIGBUS', FAULT],
  ['SIGFPE', FAULT],
  ['SIGILL', FAULT],
  // V8 raises it to end the process when one of its checks fails, so no handler may catch it.
  ['SIGTRAP', FAULT],
  // A seccomp filter raises it at a forbidden call.
  ['SIGSYS', FAULT],
  ['SIGPROF', "belongs to V8's CPU profiler"],
]);

/** Whether a signal is one of those that only the runtime may handle. */
export function isRuntimes(number: number): boolean {
  return refusals.has(signalName(number));
}

/** A signal's number, if JavaScript may handle the signal. */
export function catchableSignal(value: unknown, name: string): number {
  const number = signalNumber(value, name);
  // 32 and 33, on musl 34 too: thread cancellation, setuid() for all threads, and fork().
  const reserved = number > 31 && number < RT_MIN;
  const reason = reserved ? 'belongs to the C library' : refusals.get(signalName(number));
  if (reason !== undefined) throw invalidArgValue(name, value, reason);
  return number;
}
