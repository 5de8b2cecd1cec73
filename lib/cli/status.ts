// daemonkit status: whether the daemon runs, with the exit codes of LSB's init scripts.
import { type Found, findDaemon, isReady } from '../pidfile/search.js';
import { COMMON, FILE, parseAll } from './arguments.js';
import { type Command, EXIT, type Outcome } from './outcome.js';
import { neededPidFile } from './pidfile.js';

const OPTIONS = { ...FILE, ...COMMON };

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
      return [EXIT.deadWithPidfile, `dead: the pidfile names ${named}, and nobody holds it`];
    case 'absent':
      return [EXIT.notRunning, 'not running'];
    case 'unknown':
      return [EXIT.unknown, `unknown: the pidfile names ${named}, and somebody holds it`];
  }
}

function look(path: string): Outcome {
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
    return { exitCode, text, answer: true, data };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const data = { path, state: 'unknown', running: false, code, message };
    return { exitCode: EXIT.unknown, text: `unknown: ${message}`, answer: true, data };
  }
}

async function run(args: readonly string[]): Promise<Outcome> {
  const values = parseAll(args, OPTIONS);
  return look(neededPidFile(values));
}

export const status: Command = { options: OPTIONS, run };
