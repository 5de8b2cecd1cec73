// Executes a program as a service should be: nothing left open but 0, 1, 2 and the sockets of a service manager, a clean
// environment, another user, limits, and the exit codes of env(1) if that fails.
//
//   node dist/examples/wrapper/production.js [--user NAME] [--nofile N] [--env NAME=VALUE]... -- PROGRAM ARG...
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { parseArgs } from 'node:util';
import { closeInherited, dropPrivileges, execve, listenFds, setrlimit } from 'daemonkit';

const [CANNOT_RUN, NOT_FOUND, OURS] = [126, 127, 125];

function fail(code: number, error: unknown): never {
  console.error(`wrapper: ${(error as Error).message}`);
  process.exit(code);
}

/** execve(2) does not search PATH. */
function find(program: string, path: string): string {
  if (program.includes('/')) return program;
  const candidates = path.split(delimiter).map((directory) => join(directory, program));
  const found = candidates.find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  return found ?? fail(NOT_FOUND, new Error(`${program}: not found in ${path}`));
}

const { values, positionals } = parseArgs({
  // Behind `--` are the program and its arguments.
  allowPositionals: true,
  options: {
    user: { type: 'string' },
    nofile: { type: 'string' },
    env: { type: 'string', multiple: true, default: [] },
  },
});
const [program = '', ...args] = positionals;

// LISTEN_PID stays right: the program is this process.
const sockets = listenFds().map(({ fd }) => fd);
const {
  PATH = '/usr/bin:/bin',
  LISTEN_PID,
  LISTEN_FDS,
  LISTEN_FDNAMES,
  NOTIFY_SOCKET,
} = process.env;
const given = values.env.map((text) => text.split(/=(.*)/s).slice(0, 2));
const env = {
  PATH,
  LISTEN_PID,
  LISTEN_FDS,
  LISTEN_FDNAMES,
  NOTIFY_SOCKET,
  ...Object.fromEntries(given),
};

try {
  closeInherited();
  if (values.nofile !== undefined) setrlimit('NOFILE', { soft: Number(values.nofile) });
  if (values.user !== undefined) dropPrivileges({ user: values.user });
} catch (error) {
  fail(OURS, error);
}
try {
  execve(find(program, PATH), [program, ...args], env, { keep: sockets });
} catch (error) {
  fail((error as NodeJS.ErrnoException).code === 'ENOENT' ? NOT_FOUND : CANNOT_RUN, error);
}
