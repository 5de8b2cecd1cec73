// How this program was started, for those who start it again: by what command line, where, with what
// environment. As it was when the first copy of the package was loaded: afterwards the program may have
// changed its directory and its variables, and process.title writes over the command line.
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { fstatOf } from './file-id.js';
import { passedDescriptors } from './listen-environment.js';

/** Sockets that a service manager has passed, by the file behind each number. */
export interface PassedSockets {
  names: string | undefined;
  /** Of the numbers from 3 on. */
  ids: (string | undefined)[];
}

export interface ProgramStart {
  pid: number;
  /** argv[0], which is how the program was called, and what follows. */
  command: readonly string[];
  /** Where; by the name that the shell knew, which may lead elsewhere by now: `current`, not `releases/42`. */
  directory: string | undefined;
  /** As execve(2) takes it. */
  environment: readonly string[];
  /** The root directory. */
  root: string | undefined;
  /** What was passed to this process; undefined if nothing was. */
  sockets: PassedSockets | undefined;
}

/** Shared by all copies of the package in a process: the first one saw the most. */
const KEY = Symbol.for('daemonkit.start.1');

const shared = globalThis as { [KEY]?: ProgramStart };

/** What a file of /proc/self says, which may have null bytes in it; undefined if it does not. */
function entries(name: string): string[] | undefined {
  try {
    const text = readFileSync(`/proc/self/${name}`, 'utf8');
    // What is no UTF-8 would come out as something else.
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

/** The same directory by the name in PWD, as unicorn has it: getcwd(2) knows no symbolic links. */
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

/** The command line as it was given, if the kernel still has it: process.argv[1] is an absolute path. */
function commandLine(): string[] {
  // Node has resolved it by getcwd(2), whatever the shell calls the directory.
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

/** Meant for this process alone. */
const OURS = /^DAEMONKIT_(?:REEXEC|LISTEN|UPGRADE)=/;

function environment(): string[] {
  const all = entries('environ')?.filter((entry) => entry.includes('='));
  const now = () => Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
  return (all ?? now()).filter((entry) => !OURS.test(entry));
}

/** The root directory of now. */
export const rootId = () => fileId('/');

/** When the package is loaded, and by whoever has put sockets where LISTEN_FDS says. */
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
