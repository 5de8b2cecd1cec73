// daemonkit stop: ends the daemon, and comes back when it has ended.
import { COMMON, FILE, parseAll, STOP, STOP_TIMEOUT, textOf } from './arguments.js';
import { type Command, EXIT, type Outcome } from './outcome.js';
import { neededPidFile } from './pidfile.js';
import { type Stopped, scheduleOf, stopDaemon } from './stopping.js';

const OPTIONS = { ...FILE, ...STOP, ...STOP_TIMEOUT, ...COMMON };

export function outcomeOf(path: string, done: Stopped): Outcome {
  const { pid, stopped, signal, milliseconds } = done;
  const data = { path, pid, stopped, signal, milliseconds };
  const exitCode = stopped ? EXIT.done : EXIT.failed;
  if (pid === undefined) return { exitCode, text: 'not running', data };
  const how = signal === undefined ? 'by itself' : `by ${signal}`;
  const text = stopped ? `process ${pid} ended ${how}` : `process ${pid} goes on after ${signal}`;
  return { exitCode, text, data };
}

async function run(args: readonly string[]): Promise<Outcome> {
  const values = parseAll(args, OPTIONS);
  const path = neededPidFile(values);
  return outcomeOf(path, await stopDaemon(path, scheduleOf(values, textOf(values, 'timeout'))));
}

export const stop: Command = { options: OPTIONS, run };
