// How this program was started, to start it again: command line, directory and environment. They
// are recorded when the first copy of the package is loaded. Later the program may change its
// directory and its variables, and process.title overwrites the command line.
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { fstatOf } from './file-id.js';
import { passedDescriptors } from './listen-environment.js';

/** Sockets that a service manager has passed, by the file behind each number. */
export interface PassedSockets {
  names: string | undefined;
  /** The files of the numbers from 3 on. */
  ids: (string | undefined)[];
}

export interface ProgramStart {
  pid: number;
  /** argv[0], the name by which the program was called, and the arguments. */
  command: readonly string[];
  /**
   * The directory, by the shell's name for it, which may lead elsewhere now: `current`, not
   * `releases/42`.
   */
  directory: string | undefined;
  /** The environment in the form of execve(2). */
  environment: readonly string[];
  /** The root directory. */
  root: string | undefined;
  /** The sockets that were passed to this process, if any. */
  sockets: PassedSockets | undefined;
}

/**
 * Shared by all copies of the package in a process, because the first one has the earliest state.
 */
const KEY = Symbol.for('daemonkit.start.1');

const shared = globalThis as { [KEY]?: ProgramStart };

/** The parts of a file of /proc/self, separated by null bytes; undefined if it is not readable. */
function entries(name: string): string[] | undefined {
  try {
    const text = readFileSync(`/proc/self/${name}`, 'utf8');
    // Text that is not UTF-8 would be changed.
    return text.includes('\ufffd') ? undefined : text.replace(/\0$/, '').split('\0');
  } catch {
    return undefined;
  }
}

function workingDirectory(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined; // it was removed
  }
}

/**
 * The same directory by the path in PWD, as in unicorn, because getcwd(2) resolves symbolic links.
 */
function directoryByName(): string | undefined {
  const [real, named] = [workingDirectory(), process.env.PWD];
  if (named === undefined || real === undefined || !named.startsWith('/')) return real;
  return fileId(named) === fileId(real) ? named : real;
}

function fileId(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

/** The original command line, if the kernel still has it; process.argv[1] is an absolute path. */
function commandLine(): string[] {
  // Node has resolved it by getcwd(2), not by the shell's name of the directory.
  const directory = workingDirectory();
  const { argv, argv0, execArgv } = process;
  const given = entries('cmdline') ?? [];
  const [, ...rest] = argv;
  const at = given.length - rest.length;
  const same = rest.every((text, i) => {
    const one = given[at + i] ?? '';
    return one === text || (i === 0 && resolve(directory ?? '/', one) === text);
  });
  return given[0] === argv0 && at >= 1 && same ? given : [argv0, ...execArgv, ...rest];
}

/** Variables for this process only. */
const OURS = /^DAEMONKIT_(?:REEXEC|LISTEN|UPGRADE)=/;

function environment(): string[] {
  const all = entries('environ')?.filter((entry) => entry.includes('='));
  const now = () => Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
  return (all ?? now()).filter((entry) => !OURS.test(entry));
}

/** The present root directory. */
export const rootId = () => fileId('/');

/**
 * Runs when the package is loaded, and after sockets have been put where LISTEN_FDS describes them.
 */
export function recordSockets(): void {
  const start = programStart();
  const passed = passedDescriptors();
  if (passed.length === 0) return;
  start.sockets = { names: process.env.LISTEN_FDNAMES, ids: passed.map(fstatOf) };
}

/** When the package is loaded. */
export function recordProgram(): void {
  if (shared[KEY] !== undefined) return;
  const directory = directoryByName();
  shared[KEY] = {
    pid: process.pid,
    command: commandLine(),
    directory,
    environment: environment(),
    root: rootId(),
    sockets: undefined,
  };
  recordSockets();
}

export function programStart(): ProgramStart {
  recordProgram();
  return shared[KEY] as ProgramStart;
}
