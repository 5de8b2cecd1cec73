// How a command reports its outcome: a line for people, or a line of JSON for programs.
import { constants } from 'node:os';
import { native } from '../addon/native.js';
import type { Line } from '../daemon/farewell.js';
import { withoutCall } from '../daemon/run-steps.js';
import type { PidfileError } from '../pidfile/pidfile.js';
import { advice } from './advice.js';
import { UsageError } from './arguments.js';
import { EXIT, type Outcome } from './outcome.js';
import { BrokenApplication } from './rehearsal.js';

/** The line that a command prints, and its descriptor. */
export function lineOf(
  name: string,
  json: boolean,
  { exitCode, text, answer, data }: Outcome,
): Line | undefined {
  const done = exitCode === EXIT.done;
  if (json) {
    const line = { command: name, ok: done, exitCode, ...data };
    return { fd: 1, text: `${JSON.stringify(line)}\n` };
  }
  if (text === '') return undefined;
  return done || answer ? { fd: 1, text: `${text}\n` } : { fd: 2, text: `daemonkit: ${text}\n` };
}

export function tell(name: string, json: boolean, outcome: Outcome): void {
  process.exitCode = outcome.exitCode;
  const line = lineOf(name, json, outcome);
  if (line !== undefined) native.writeAll(line.fd, line.text);
}

const ARGUMENTS = ['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE', 'ERR_OUT_OF_RANGE'];

const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Replaces the names of the functions' options by those of the command line. */
function ofOption(message: string): string {
  const named = /^The (?:argument |value of )?["']options\.(\w+)["'](?: argument)?(?= )/;
  return message.replace(named, (_, name) => `--${kebab(name)}`);
}

type Thrown = PidfileError & {
  step?: string;
  /** It is unknown whether a daemon runs. */
  uncertain?: boolean;
  /** The daemon that was to be restarted and still runs. */
  unharmed?: number;
  /** The daemon that was stopped before the start failed for an unforeseeable reason. */
  stopped?: number;
};

function exitCodeOf({ code, errno, pid, uncertain }: Thrown): number {
  // Our own errors without a failed call: privileges that are kept, a process that is a daemon
  // already.
  if (errno === undefined || code?.startsWith('ERR_')) return EXIT.failed;
  if (errno === -constants.errno.EEXIST && pid !== undefined) return EXIT.failed;
  const unsure = [constants.errno.ESTALE, constants.errno.EAGAIN].includes(-errno);
  return unsure || uncertain ? EXIT.unknown : EXIT.system;
}

/** The outcome for an error that ends a command: a wrong command line, or a failed call. */
export function failure(thrown: unknown): Outcome {
  const error = thrown as Thrown;
  const { text, ...outcome } = described(error);
  const { unharmed, stopped } = error;
  if (stopped !== undefined) return { ...outcome, text: `${text}\nprocess ${stopped} was stopped` };
  if (unharmed === undefined) return { ...outcome, text };
  const data = { ...outcome.data, running: unharmed };
  return { ...outcome, data, text: `${text}\nnothing was changed: process ${unharmed} still runs` };
}

function described(error: Thrown): Outcome {
  const { code, errno, syscall, path, step, pid } = error;
  const message = withoutCall(error.message);
  const data = { message, code, errno, syscall, path, step, pid };
  if (error instanceof UsageError || ARGUMENTS.includes(code)) {
    return { exitCode: EXIT.usage, text: `${ofOption(message)}\nTry daemonkit --help`, data };
  }
  if (error instanceof BrokenApplication) {
    return { exitCode: EXIT.failed, text: `the application cannot run: ${message}`, data };
  }
  const at = step === undefined || message.startsWith('step ') ? '' : `step ${step}: `;
  const number = errno === undefined ? '' : ` (errno ${-errno})`;
  return { exitCode: exitCodeOf(error), text: `${at}${message}${number}${advice(error)}`, data };
}

/** Any other error is a bug of daemonkit: node reports it. */
export function isTold(error: unknown): boolean {
  const { code, errno } = error as NodeJS.ErrnoException;
  if (error instanceof UsageError || error instanceof BrokenApplication) return true;
  return errno !== undefined || code?.startsWith('ERR_') === true;
}
