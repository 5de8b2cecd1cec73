// daemonkit reload: SIGHUP, or another signal, to the daemon and to nobody else.
import { pidfileSignal } from '../pidfile.js';
import { COMMON, FILE, type Options, parseAll, textOf } from './options.js';
import { type Command, EXIT, type Outcome } from './outcome.js';
import { neededPidFile } from './pidfile.js';
import { signalOf } from './stopping.js';

const OPTIONS: Options = {
  ...FILE,
  signal: { value: 'SIGNAL', help: 'another one than HUP' },
  ...COMMON,
};

async function run(args: readonly string[]): Promise<Outcome> {
  const values = parseAll(args, OPTIONS);
  const signal = signalOf(textOf(values, 'signal') ?? 'HUP');
  const path = neededPidFile(values);
  const pid = pidfileSignal(path, signal);
  const data = { path, pid, signal };
  if (pid === undefined) return { exitCode: EXIT.nothingToSignal, text: 'not running', data };
  return { exitCode: EXIT.done, text: `${signal} sent to process ${pid}`, data };
}

export const reload: Command = { options: OPTIONS, run };
