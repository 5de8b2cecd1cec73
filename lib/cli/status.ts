// daemonkit status: whether the daemon runs, with the exit codes of LSB's init scripts.
import { type Found, findDaemon, isReady } from '../pidfile/search.js';
import { COMMON, FILE, parseAll, STATUS } from './arguments.js';
import { type Command, EXIT, type Outcome } from './outcome.js';
import { neededPidFile } from './pidfile.js';
import { workersInWords, workersOf } from './workers.js';

const OPTIONS = { ...FILE, ...STATUS, ...COMMON };

function inWords({ report, removed }: Found, ready: boolean): [exitCode: number, text: string] {
  const { path, state, pid, startTime } = report;
  const named = pid === undefined ? 'no process' : `process ${pid}`;
  switch (state) {
    case 'running': {
      const since = startTime === undefined ? '' : ` since ${startTime.toISOString()}`;
      const but = ready ? '' : ', not ready yet';
      const file = removed ? `; its pidfile ${path} was removed` : '';
      return [EXIT.done, `running as ${named}${since}${but}${file}`];
    }
    case 'starting':
      return [EXIT.unknown, 'starting: the pidfile is locked, and not yet written'];
    case 'stale':
      return [EXIT.deadWithPidfile, `dead: the pidfile names ${named}, but no process holds it`];
    case 'absent':
      return [EXIT.notRunning, 'not running'];
    case 'unknown':
      return [EXIT.unknown, `unknown: the pidfile names ${named}, and another process may hold it`];
  }
}

/** The workers of a running daemon: for people, and for programs. */
function workersIn({ report }: Found) {
  if (!report.running) return undefined;
  const found = workersOf(report.pid);
  return { text: workersInWords(found), data: found };
}

function look(path: string, withWorkers: boolean): Outcome {
  try {
    const found = findDaemon(path);
    found.owner?.[Symbol.dispose]();
    const { report, removed } = found;
    const ready = report.running && isReady(report);
    const [exitCode, text] = inWords(found, ready);
    const data = {
      ...report,
      ...(report.running ? { ready } : {}),
      ...(removed ? { removed } : {}),
    };
    const more = withWorkers ? workersIn(found) : undefined;
    if (more === undefined) return { exitCode, text, answer: true, data };
    const { source, age, masters, workers } = more.data;
    return {
      exitCode,
      text: `${text}\n${more.text}`,
      answer: true,
      data: { ...data, workers, masters, source, age },
    };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const data = { path, state: 'unknown', running: false, code, message };
    return { exitCode: EXIT.unknown, text: `unknown: ${message}`, answer: true, data };
  }
}

async function run(args: readonly string[]): Promise<Outcome> {
  const values = parseAll(args, OPTIONS);
  return look(neededPidFile(values), values.workers === true);
}

export const status: Command = { options: OPTIONS, run };
