#!/usr/bin/env node
// The command `daemonkit`: docs/daemonkit.1.md.
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { helpText } from './cli/help.js';
import { endOfOptions, UsageError } from './cli/options.js';
import { type Application, type Command, EXIT, type Outcome } from './cli/outcome.js';
import { plan } from './cli/plan.js';
import { reload } from './cli/reload.js';
import { restart } from './cli/restart.js';
import { start } from './cli/start.js';
import { status } from './cli/status.js';
import { stop } from './cli/stop.js';
import type { PidfileError } from './pidfile.js';

const COMMANDS = new Map<string, Command>(
  Object.entries({ start, stop, restart, reload, status, plan }),
);

function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')).version;
}

const said = (text: string): Outcome => ({ exitCode: EXIT.done, text, data: {} });

/** An error that ends a command: one of the command line, or of a failed call. */
function failure(thrown: unknown): Outcome {
  const error = thrown as PidfileError & { step?: string };
  const { message, code, errno, syscall, path, step, pid } = error;
  const data = { message, code, errno, syscall, path, step, pid };
  const text = step === undefined ? message : `step ${step}: ${message}`;
  if (error instanceof UsageError || code?.startsWith('ERR_')) {
    return { exitCode: EXIT.usage, text: `${text}\nTry daemonkit --help`, data };
  }
  return { exitCode: exitCodeOf(error), text, data };
}

function exitCodeOf({ errno, pid }: PidfileError): number {
  if (errno === -constants.errno.EEXIST && pid !== undefined) return EXIT.failed;
  const uncertain = [constants.errno.ESTALE, constants.errno.EAGAIN].includes(-errno);
  return uncertain ? EXIT.unknown : EXIT.system;
}

/** What is neither the command line's nor a failed call's error is a mistake of ours: node tells. */
function isTold(error: unknown): boolean {
  const { code, errno } = error as NodeJS.ErrnoException;
  return error instanceof UsageError || errno !== undefined || code?.startsWith('ERR_') === true;
}

function tell(name: string, json: boolean, { exitCode, text, answer, data }: Outcome): void {
  process.exitCode = exitCode;
  if (json) console.log(JSON.stringify({ command: name, ok: exitCode === 0, exitCode, ...data }));
  else if (text === '') return;
  else if (exitCode === 0 || answer) console.log(text);
  else console.error(`daemonkit: ${text}`);
}

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

async function main([name = '', ...args]: readonly string[]): Promise<void> {
  const command = COMMANDS.get(name);
  if (command !== undefined) return perform(name, command, args);
  if (name === '--version') return tell(name, false, said(version()));
  if (name === '--help') return tell(name, false, said(helpText()));
  const words = name === '' ? 'which command?' : `there is no command '${name}'`;
  return tell(name, args.includes('--json'), failure(new UsageError(words)));
}

await main(process.argv.slice(2));
