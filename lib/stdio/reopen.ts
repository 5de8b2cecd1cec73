// Reopens log files at a signal: logrotate(8), newsyslog(8).
import { asError, invalidArgValue } from '../base/errors.js';
import { catchableSignal, signalList, signalName } from '../system/signal-numbers.js';
import { complain } from './log-writer.js';

const LAST_STANDARD = 31;

function reopenSignal(value: unknown, name: string): number {
  const number = catchableSignal(value, name);
  if (number > LAST_STANDARD) throw invalidArgValue(name, value, 'is a real-time signal');
  return number;
}

/** The names of the signals, if process.on() can listen for them. */
export function reopenSignals(value: unknown, name: string): NodeJS.Signals[] {
  return signalList(value, name, reopenSignal, 0).map(signalName) as NodeJS.Signals[];
}

/**
 * Calls `reopen` at each of the signals. Errors go to standard error, because no code can catch
 * them.
 */
export function listenForReopen(
  signals: readonly NodeJS.Signals[],
  reopen: () => void,
): Disposable {
  const listener = () => {
    try {
      reopen();
    } catch (error) {
      const { message } = asError(error);
      complain(
        `daemonkit: the log could not be reopened, and the old file stays in use: ${message}\n`,
      );
    }
  };
  for (const signal of signals) process.on(signal, listener);
  const stop = () => {
    for (const signal of signals) process.off(signal, listener);
  };
  return { [Symbol.dispose]: stop };
}
