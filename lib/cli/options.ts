// What may follow a command on the command line: node:util's parseArgs with one table per command.
import { parseArgs } from 'node:util';

/** An option: a switch, or one with a value, which help and manual call by this name. */
export interface Option {
  value?: string;
  help: string;
}

export type Options = Readonly<Record<string, Option>>;

/** The values that were given, by the options' names; a switch is true. */
export type Values = Readonly<Record<string, string | boolean | undefined>>;

export const FILE: Options = {
  'pid-file': { value: 'FILE', help: 'the pidfile' },
  name: { value: 'NAME', help: 'short for --pid-file /run/NAME.pid, or $XDG_RUNTIME_DIR/NAME.pid' },
};

export const BIRTH: Options = {
  log: { value: 'FILE', help: 'append standard output and error to it' },
  stdout: { value: 'FILE', help: 'append standard output to it' },
  stderr: { value: 'FILE', help: 'append standard error to it' },
  'reopen-on': { value: 'SIGNAL', help: 'open the log files anew at this signal, as HUP' },
  user: { value: 'USER', help: 'become this user, by name or number' },
  group: { value: 'GROUP', help: "become this group instead of the user's" },
  chroot: { value: 'DIRECTORY', help: 'make it the root directory; the app must be in it' },
  cwd: { value: 'DIRECTORY', help: 'the working directory, inside of --chroot; default /' },
  umask: { value: 'MODE', help: 'the file mode creation mask, octal; default 022' },
  strategy: { value: 'HOW', help: 'auto (the default), fork or reexec' },
  title: { value: 'TEXT', help: 'what ps(1) shows as the command' },
  ready: { value: 'WHEN', help: 'import (the default), manual, or detached' },
  timeout: { value: 'SECONDS', help: 'until it must be ready; default 30' },
  foreground: { help: 'do not detach, for a supervisor' },
};

export const STOP: Options = {
  retry: { value: 'SCHEDULE', help: 'signals and seconds; default TERM/30/KILL/5' },
};

export const STOP_TIMEOUT: Options = {
  timeout: { value: 'SECONDS', help: 'short for --retry TERM/SECONDS/KILL/5' },
};

export const COMMON: Options = {
  json: { help: 'one line of JSON on standard output' },
  help: { help: 'this text' },
};

/** For commands that take no application. */
export function parseAll(args: readonly string[], options: Options): Values {
  const [values, rest] = parse(args, options);
  if (rest.length > 0) throw new UsageError(`too many arguments: ${rest.join(' ')}`);
  return values;
}

/** A command line that makes no sense: exit code 100. */
export class UsageError extends Error {}

const parserOptions = (options: Options) =>
  Object.fromEntries(
    Object.entries(options).map(([name, { value }]) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const) },
    ]),
  );

/** Where the first argument is that is neither an option nor the value of one. */
export function endOfOptions(args: readonly string[], options: Options): number {
  const { tokens } = parseArgs({
    args: [...args],
    options: parserOptions(options),
    strict: false,
    tokens: true,
  });
  const end = tokens.find(({ kind }) => kind === 'positional' || kind === 'option-terminator');
  return end?.index ?? args.length;
}

/**
 * Splits a command line into the command's own options and what comes after them, which is another
 * program's business.
 *
 * @throws UsageError for unknown options and values that are missing or too many.
 */
export function parse(args: readonly string[], options: Options): [values: Values, rest: string[]] {
  const end = endOfOptions(args, options);
  try {
    const { values } = parseArgs({ args: args.slice(0, end), options: parserOptions(options) });
    return [values as Values, args.slice(args[end] === '--' ? end + 1 : end)];
  } catch (error) {
    throw new UsageError((error as Error).message.replace(/\. To specify a positional.*$/s, ''));
  }
}

/** The text of an option, or undefined. */
export function textOf(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

/** Seconds, with a fraction, in milliseconds. */
export function secondsOf(text: string, name: string): number {
  const milliseconds = Math.round(1000 * Number(text));
  if (/^\d*\.?\d+$/.test(text) && milliseconds > 0 && milliseconds < 2 ** 31) return milliseconds;
  throw new UsageError(`--${name}: '${text}' is not a number of seconds`);
}
