// Parses the arguments of a command: the tokens of node:util, checked by one table per command.
import { parseArgs } from 'node:util';
import { nearest } from '../base/nearest.js';

/**
 * An option: a switch, or an option with a value. Help and manual show the value under this name.
 */
export interface Option {
  value?: string;
  help: string;
  /** It may be given several times. */
  several?: true;
}

export type Options = Readonly<Record<string, Option>>;

/**
 * The given options by name. A switch is true; an option that may be given several times is a list.
 */
export type Values = Readonly<Record<string, string | true | readonly string[] | undefined>>;

export const FILE: Options = {
  pidfile: { value: 'FILE', help: 'the pidfile' },
  name: { value: 'NAME', help: 'short for --pidfile /run/NAME.pid, or $XDG_RUNTIME_DIR/NAME.pid' },
};

export const BIRTH: Options = {
  log: { value: 'FILE', help: 'append standard output and error to it' },
  stdout: { value: 'FILE', help: 'append standard output to it' },
  stderr: { value: 'FILE', help: 'append standard error to it' },
  'reopen-on': { value: 'SIGNAL', help: 'reopen the log files at this signal, such as HUP' },
  listen: {
    value: 'ADDRESS',
    help: 'bind PORT, HOST:PORT or a path before --user; repeatable',
    several: true,
  },
  user: { value: 'USER', help: 'change to this user, by name or number' },
  group: { value: 'GROUP', help: "change to this group instead of the user's" },
  'no-new-privileges': { help: 'programs that it starts gain no privileges' },
  chroot: { value: 'DIRECTORY', help: 'make it the root directory; the app must be in it' },
  cwd: { value: 'DIRECTORY', help: 'the working directory, inside of --chroot; default /' },
  umask: { value: 'MODE', help: 'the file mode creation mask, octal; default 022' },
  env: {
    value: 'NAME=VALUE',
    help: 'set a variable of its environment; repeatable',
    several: true,
  },
  strategy: { value: 'HOW', help: 'auto (the default), fork or reexec' },
  title: { value: 'TEXT', help: 'the title in ps(1)' },
  ready: { value: 'WHEN', help: 'import (the default), manual, or detached' },
  timeout: { value: 'SECONDS', help: 'time limit until it is ready; default 30' },
  detach: { help: 'go to the background even under a supervisor' },
  foreground: { help: 'do not detach, for a supervisor' },
};

export const STOP: Options = {
  retry: { value: 'SCHEDULE', help: 'signals and seconds; default TERM/30/KILL/5' },
};

export const STOP_TIMEOUT: Options = {
  timeout: { value: 'SECONDS', help: 'short for --retry TERM/SECONDS/KILL/5' },
};

export const RELOAD: Options = { signal: { value: 'SIGNAL', help: 'the signal; default HUP' } };

export const STATUS: Options = {
  workers: { help: 'also list its prefork workers' },
};

export const UPGRADE: Options = {
  signal: { value: 'SIGNAL', help: 'the signal; default USR2' },
  timeout: { value: 'SECONDS', help: 'time limit for the new program; default 90' },
};

export const COMMON: Options = {
  json: { help: 'one line of JSON on standard output' },
  help: { help: 'this text' },
};

/** For commands without an application. */
export function parseAll(args: readonly string[], options: Options): Values {
  const [values, rest] = parse(args, options);
  if (rest.length > 0) throw new UsageError(`too many arguments: ${rest.join(' ')}`);
  return values;
}

/** A wrong command line: exit code 100. */
export class UsageError extends Error {}

const parserOptions = (options: Options) =>
  Object.fromEntries(
    Object.entries(options).map(([name, { value }]) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const) },
    ]),
  );

function tokensOf(args: readonly string[], options: Options) {
  const known = parserOptions(options);
  // The option's name before 0.2.
  const renamed = args.map((arg) => arg.replace(/^--pid-file(?==|$)/, '--pidfile'));
  return parseArgs({ args: renamed, options: known, strict: false, tokens: true }).tokens;
}

/** The index of the first argument that is neither an option nor the value of one. */
export function endOfOptions(args: readonly string[], options: Options): number {
  const tokens = tokensOf(args, options);
  const end = tokens.find(({ kind }) => kind === 'positional' || kind === 'option-terminator');
  return end?.index ?? args.length;
}

type OptionToken = Extract<ReturnType<typeof tokensOf>[number], { kind: 'option' }>;

/** The value of an option; throws if the option is given wrongly. */
function takeValue({ name, rawName, value, inlineValue }: OptionToken, options: Options) {
  const option = options[name];
  // hasOwn, because 'constructor' is not an option.
  if (option === undefined || !Object.hasOwn(options, name) || !rawName.startsWith('--')) {
    const meant = nearest(name, Object.keys(options));
    const hint = meant === undefined ? '' : `; did you mean --${meant}?`;
    throw new UsageError(`there is no option ${rawName}${hint}`);
  }
  if (option.value === undefined) {
    if (value === undefined) return true;
    throw new UsageError(`${rawName} takes no value, but got '${value}'`);
  }
  if (value === undefined) throw new UsageError(`${rawName} needs a value: ${option.value}`);
  if (value.startsWith('-') && !inlineValue) {
    const way = `write ${rawName}=${value} if you mean that`;
    throw new UsageError(`${rawName} needs a value: '${value}' looks like an option; ${way}`);
  }
  return value;
}

/**
 * Splits a command line into the command's own options and the rest, which belongs to the
 * application.
 *
 * @throws UsageError for unknown options and values that are missing or too many.
 */
export function parse(args: readonly string[], options: Options): [values: Values, rest: string[]] {
  const values: Record<string, string | true | string[]> = {};
  for (const token of tokensOf(args, options)) {
    if (token.kind !== 'option') {
      return [values, args.slice(token.index + (token.kind === 'option-terminator' ? 1 : 0))];
    }
    const value = takeValue(token, options);
    const { name } = token;
    if (options[name]?.several) values[name] = [...listOf(values, name), value as string];
    else if (values[name] === undefined) values[name] = value;
    else throw new UsageError(`--${name} is given twice`);
  }
  return [values, []];
}

/** The command line that has these options. */
export function unparse(values: Values): string[] {
  return Object.entries(values).flatMap(([name, value]) => {
    if (value === true) return [`--${name}`];
    const each = typeof value === 'string' ? [value] : (value ?? []);
    return each.map((one) => `--${name}=${one}`);
  });
}

/** The text of an option, or undefined. */
export function textOf(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

/** The texts of an option that may be given several times. */
export function listOf(values: Values, name: string): readonly string[] {
  const value = values[name];
  return Array.isArray(value) ? value : [];
}

/** Seconds, with a fraction, in milliseconds. */
export function secondsOf(text: string, name: string): number {
  const milliseconds = Math.round(1000 * Number(text));
  if (/^\d*\.?\d+$/.test(text) && milliseconds > 0 && milliseconds < 2 ** 31) return milliseconds;
  throw new UsageError(
    `--${name}: '${text}' is not a number of seconds above 0, such as 30 or 0.5`,
  );
}

/** One of a few words. */
export function wordOf<T extends string>(text: string, name: string, words: readonly T[]): T {
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  throw new UsageError(`--${name}: '${text}' is not one of ${words.join(', ')}`);
}
