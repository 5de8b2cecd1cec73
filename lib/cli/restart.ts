// daemonkit restart: checks the start for errors, stops the daemon if it runs, and starts it.
import { startedAgain } from '../daemon/handover.js';
import { findDaemon } from '../pidfile/search.js';
import { pidfileStop } from '../pidfile/stop.js';
import { BIRTH, COMMON, FILE, parse, STOP } from './arguments.js';
import { reserveDescriptors } from './listen.js';
import type { Application, Command, Outcome } from './outcome.js';
import { rehearseAll } from './rehearsal.js';
import { becomeApp } from './start.js';
import { startOf } from './starting.js';
import { outcomeOf } from './stop.js';
import { scheduleOf } from './stopping.js';

const OPTIONS = { ...FILE, ...STOP, ...BIRTH, ...COMMON };

/** The process to stop; 0 if none is found. */
function running(path: string): number {
  const { owner, report } = findDaemon(path);
  owner?.[Symbol.dispose]();
  return report.pid ?? 0;
}

async function run(args: readonly string[]): Promise<Outcome | Application> {
  const start = startOf(args, OPTIONS, true);
  const schedule = scheduleOf(parse(args, OPTIONS)[0]);
  const first = reserveDescriptors(start.addresses);
  // In a daemon that is this command started again, the checks and the stop are done.
  if (startedAgain()) return becomeApp('restart', start, first);
  const path = start.options.pidfile ?? '';
  const pid = running(path);
  try {
    rehearseAll(start, pid);
  } catch (error) {
    throw pid === 0 ? error : Object.assign(error as Error, { unharmed: pid });
  }
  const done = await pidfileStop(path, { schedule });
  if (done.state === 'running') return outcomeOf(done);
  try {
    return becomeApp('restart', start, first, done.pid);
  } catch (error) {
    throw Object.assign(error as Error, { stopped: done.pid });
  }
}

export const restart: Command = { options: OPTIONS, run };
