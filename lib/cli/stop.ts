// daemonkit stop: ends the daemon, and returns when it has ended.
import { type PidfileStopped, pidfileStop } from '../pidfile/stop.js';
import { COMMON, FILE, parseAll, STOP, STOP_TIMEOUT, textOf } from './arguments.js';
import { type Command, EXIT, type Outcome } from './outcome.js';
import { neededPidFile } from './pidfile.js';
import { scheduleOf } from './stopping.js';

const OPTIONS = { ...FILE, ...STOP, ...STOP_TIMEOUT, ...COMMON };

export function outcomeOf({ path, state, pid, signal, milliseconds }: PidfileStopped): Outcome {
  const stopped = state !== 'running';
  const data = { path, pid, stopped, signal, milliseconds };
  const exitCode = stopped ? EXIT.done : EXIT.failed;
  if (pid === undefined) return { exitCode, text: 'not running', data };
  const how = signal === undefined ? 'by itself' : `by ${signal}`;
  const text = stopped
    ? `process ${pid} ended ${how}`
    : `process ${pid} still runs after ${signal}`;
  return { exitCode, text, data };
}

async function run(args: readonly string[]): Promise<Outcome> {
  const values = parseAll(args, OPTIONS);
  const schedule = scheduleOf(values, textOf(values, 'timeout'));
  return outcomeOf(await pidfileStop(neededPidFile(values), { schedule }));
}

export const stop: Command = { options: OPTIONS, run };
