// Log files that are opened anew at a signal: logrotate(8), newsyslog(8).
import { asError, invalidArgValue } from '../base/errors.js';
import { catchableSignal, signalName } from '../system/signal-numbers.js';
import { complain } from './log-writer.js';

const LAST_STANDARD = 31;

/** The signal's name, if process.on() can listen for it. */
export function reopenSignal(value: unknown, name: string): NodeJS.Signals {
  const number = catchableSignal(value, name);
  if (number > LAST_STANDARD) throw invalidArgValue(name, value, 'is a real-time signal');
  return signalName(number) as NodeJS.Signals;
}

/** Calls `reopen` at the signal. Nobody is there to catch what it throws: standard error tells. */
export function listenForReopen(signal: NodeJS.Signals, reopen: () => void): Disposable {
  const listener = () => {
    try {
      reopen();
    } catch (error) {
      const { message } = asError(error);
      complain(`daemonkit: the log is not opened anew, and the old file goes on: ${message}\n`);
    }
  };
  process.on(signal, listener);
  return { [Symbol.dispose]: () => void process.off(signal, listener) };
}
