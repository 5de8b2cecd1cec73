// Schedules of signals on a command line.
import type { StopStep } from '../pidfile/stop.js';
import { secondsOf, textOf, UsageError, type Values } from './arguments.js';
import { signalOf } from './signals.js';

const DEFAULT = 'TERM/30/KILL/5';

/**
 * A schedule as in start-stop-daemon(8): SIGNAL/SECONDS, repeated as needed. A number of seconds
 * alone means TERM/SECONDS/KILL/SECONDS.
 */
function schedule(text: string): StopStep[] {
  const words = (/^[\d.]+$/.test(text) ? `TERM/${text}/KILL/${text}` : text).split('/');
  if (words.length % 2 !== 0) throw new UsageError(`--retry: '${text}' is not SIGNAL/SECONDS/...`);
  return words.flatMap((word, at) => {
    if (at % 2 !== 0) return [];
    return { signal: signalOf(word, 'retry'), wait: secondsOf(words[at + 1] ?? '', 'retry') };
  });
}

/** The schedule on the command line. Only `stop` has `timeout`. */
export function scheduleOf(values: Values, timeout?: string): StopStep[] {
  const retry = textOf(values, 'retry');
  if (retry !== undefined && timeout !== undefined) {
    throw new UsageError('--retry and --timeout exclude each other; give one');
  }
  if (timeout !== undefined) return schedule(`TERM/${timeout}/KILL/5`);
  return schedule(retry ?? DEFAULT);
}
