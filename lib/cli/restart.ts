// daemonkit restart: stop, if it runs, and start; what can be wrong with the start is found first.
import { BIRTH, COMMON, FILE, STOP } from './options.js';
import type { Command, Outcome } from './outcome.js';
import { neededPidFile } from './pidfile.js';
import { startAndReturn } from './start.js';
import { startOf } from './starting.js';
import { outcomeOf } from './stop.js';
import { scheduleOf, stopDaemon } from './stopping.js';

const OPTIONS = { ...FILE, ...STOP, ...BIRTH, ...COMMON };

async function run(args: readonly string[]): Promise<Outcome> {
  const start = startOf(args, OPTIONS);
  const path = neededPidFile(start.values);
  const done = await stopDaemon(path, scheduleOf(start.values));
  return done.stopped ? startAndReturn(start) : outcomeOf(path, done);
}

export const restart: Command = { options: OPTIONS, run };
