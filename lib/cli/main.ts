// The command `daemonkit`: docs/daemonkit.1.md.
import '../atload.js';

import { nearest } from '../base/nearest.js';
import { endOfOptions, UsageError } from './arguments.js';
import { helpText } from './help.js';
import { type Application, type Command, EXIT, type Outcome } from './outcome.js';
import { plan } from './plan.js';
import { reload } from './reload.js';
import { restart } from './restart.js';
import { start } from './start.js';
import { status } from './status.js';
import { stop } from './stop.js';
import { failure, isTold, tell } from './telling.js';
import { upgrade } from './upgrade.js';

const COMMANDS = new Map<string, Command>(
  Object.entries({ start, stop, restart, reload, upgrade, status, plan }),
);

const said = (text: string): Outcome => ({ exitCode: EXIT.done, text, data: {} });

async function perform(name: string, command: Command, args: readonly string[]): Promise<void> {
  const own = args.slice(0, endOfOptions(args, command.options));
  if (own.includes('--help')) return tell(name, false, said(helpText()));
  let result: Outcome | Application;
  try {
    result = await command.run(args);
  } catch (error) {
    if (!isTold(error)) throw error;
    result = failure(error);
  }
  if (typeof result === 'function') await result();
  else tell(name, own.includes('--json'), result);
}

function unknown(name: string): UsageError {
  if (name === '')
    return new UsageError(`which command? One of ${[...COMMANDS.keys()].join(', ')}`);
  const meant = nearest(name, COMMANDS.keys());
  const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
  return new UsageError(`there is no command '${name}'${hint}`);
}

/** Runs a command line and sets the process's exit code. */
export async function main([name = '', ...args]: readonly string[]): Promise<void> {
  const command = COMMANDS.get(name);
  if (command !== undefined) return perform(name, command, args);
  return tell(name, args.includes('--json'), failure(unknown(name)));
}
