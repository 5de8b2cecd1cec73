// The new program of an upgrade: its command line, directory and environment, and the resources
// that are handed over to it.
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { native } from '../../addon/native.js';
import { signalIn } from '../../base/abort.js';
import { check, invalidArgValue, systemError } from '../../base/errors.js';
import { cString, elements, options, path } from '../../base/validate.js';
import { permissionObstacles } from '../../fork/fork.js';
import { heldBy } from '../../service/supervisor.js';
import { fstatOf } from '../../system/file-id.js';
import { type ProgramStart, programStart, rootId } from '../../system/program.js';
import {
  type HeldPidfile,
  type Heritage,
  type ListeningSocket,
  succession,
  VARIABLE,
} from '../../system/succession.js';
import type { UpgradeOptions, UpgradeProgram } from '../options.js';

/** @internal */
export const PROGRAM = ['execPath', 'execArgv', 'args', 'cwd', 'env'] as const;

const texts = (value: unknown, name: string) => elements(value, name, cString);

function variables(value: unknown, name: string): Record<string, string | undefined> {
  const given = options<Record<string, string | undefined>>(value, Object.keys(value ?? {}), name);
  for (const [key, text] of Object.entries(given)) {
    if (key === '' || /[=\0]/.test(key)) {
      throw invalidArgValue(`${name}.${key}`, text, 'is not the name of an environment variable');
    }
    if (text !== undefined) cString(text, `${name}.${key}`);
  }
  return { ...given };
}

/** @internal Checks the options; relative paths start at the current directory. */
export function upgradeProgram(given: UpgradeProgram, name: string): UpgradeProgram {
  const { execPath, execArgv, args, cwd, env } = given;
  const checked = {
    execPath: execPath === undefined ? undefined : path(execPath, `${name}.execPath`),
    execArgv: execArgv === undefined ? undefined : texts(execArgv, `${name}.execArgv`),
    args: args === undefined ? undefined : texts(args, `${name}.args`),
    cwd: cwd === undefined ? undefined : resolve(path(cwd, `${name}.cwd`)),
    env: env === undefined ? undefined : variables(env, `${name}.env`),
  };
  if (checked.args?.length === 0) {
    throw invalidArgValue(`${name}.args`, args, 'must not be empty: the first one is the script');
  }
  return Object.fromEntries(Object.entries(checked).filter(([, value]) => value !== undefined));
}

/** @internal Checks the options of `upgrade()`, which replace those of prefork(). */
export function upgradeOptions(value: unknown, otherwise: UpgradeProgram) {
  const given = options<UpgradeOptions>(value, [...PROGRAM, 'signal']);
  const program = { ...otherwise, ...upgradeProgram(given, 'options') };
  return { signal: signalIn(given), program };
}

const INTERACTIVE = /^(?:-i|--interactive)$/;
const EVALUATE = /^(?:-e|-p|-pe|--eval(?:=.*)?|--print(?:=.*)?)$/s;

/** The reasons why the program cannot be started again. */
function obstacles({ execPath, args }: UpgradeProgram, { root }: ProgramStart): string[] {
  const reasons = permissionObstacles();
  if (root !== rootId()) {
    reasons.push('the process has changed its root directory, and the program is outside of it');
  }
  // A daemon that has detached from its starter has no supervisor, even if its environment looks
  // so.
  const detached = [...succession.daemons].some((daemon) => daemon.detached);
  const held = detached ? undefined : heldBy();
  if (held !== undefined) reasons.push(held);
  const [, script] = process.argv;
  if (execPath !== undefined || args !== undefined) return reasons;
  if (process.execArgv.some((option) => INTERACTIVE.test(option))) {
    reasons.push('the REPL cannot be started again');
  } else if (
    !process.execArgv.some((option) => EVALUATE.test(option)) &&
    (script === undefined || script === '-')
  ) {
    reasons.push('a script that comes from standard input cannot be read again');
  }
  return reasons;
}

/** @internal @throws `ENOTSUP` (syscall `execve`). */
export function expectStartable(program: UpgradeProgram): void {
  const against = obstacles(program, programStart());
  if (against.length === 0) return;
  throw systemError(-constants.errno.ENOTSUP, 'execve', { detail: against.join('; ') });
}

function commandLine({ execArgv, args }: UpgradeProgram, { command }: ProgramStart): string[] {
  if (execArgv === undefined && args === undefined) return [...command];
  const [argv0 = process.argv0, ...rest] = command;
  const count = rest.length - (process.argv.length - 1);
  return [argv0, ...(execArgv ?? rest.slice(0, count)), ...(args ?? rest.slice(count))];
}

function environment(
  { env = {} }: UpgradeProgram,
  { environment: before }: ProgramStart,
  without: readonly string[],
): string[] {
  const gone = new Set([...Object.keys(env), ...without]);
  const kept = before.filter((entry) => !gone.has(entry.slice(0, entry.indexOf('='))));
  const set = Object.entries(env).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  return [...kept, ...set];
}

/** The manager's sockets with their variables, if all of them are still open. */
function passedSockets({ sockets }: ProgramStart): { fds: number[]; variables: string[] } {
  const fds = sockets?.ids.map((_, at) => 3 + at) ?? [];
  const whole = fds.every((fd, at) => fstatOf(fd) === sockets?.ids[at]);
  if (sockets === undefined || !whole) return { fds: [], variables: [] };
  const names = sockets.names === undefined ? [] : [`LISTEN_FDNAMES=${sockets.names}`];
  return { fds, variables: [`LISTEN_FDS=${fds.length}`, ...names] };
}

/** @internal The open resources that the successor gets. */
export interface Estate {
  sockets: ListeningSocket[];
  pidfiles: HeldPidfile[];
}

/** @internal */
export function estate(): Estate {
  const sockets = [...succession.sockets.values()].filter(
    ({ fd, id }) => id !== undefined && fstatOf(fd) === id && native.isListening(fd) === 1,
  );
  const pidfiles = [...succession.pidfiles].filter(({ fd }) => fd >= 0);
  return { sockets, pidfiles };
}

const LISTEN = ['LISTEN_PID', 'LISTEN_PIDFDID', 'LISTEN_FDS', 'LISTEN_FDNAMES'];

/**
 * @internal Starts the program as a child of this process.
 *
 * @param line - the child's end of the line. The caller must close it, and `relay`.
 * @param relay - the child's standard error.
 * @throws the errors of fork(2) and dup(2).
 */
export function startProgram(
  program: UpgradeProgram,
  { sockets, pidfiles }: Estate,
  line: number,
  relay: number,
): number {
  const start = programStart();
  const passed = passedSockets(start);
  const stderr = check(native.dup(2), 'dup');
  try {
    check(native.closeRange(stderr, stderr, true, 0), 'fcntl');
    const heritage: Heritage & { socket: string | undefined } = {
      // First, because it identifies the program.
      socket: fstatOf(line),
      line,
      stderr,
      sockets: sockets.filter(({ fd }) => !passed.fds.includes(fd)),
      pidfiles: pidfiles.map(({ path, fd }) => ({ path, fd })),
      detached: [...succession.daemons][0]?.detached ?? null,
      passed: passed.fds.length,
    };
    const watchdog = start.environment.includes(`WATCHDOG_PID=${start.pid}`);
    const numbered = [
      `${VARIABLE}=${JSON.stringify(heritage)} `,
      ...(passed.fds.length > 0 ? ['LISTEN_PID='] : []),
      ...(watchdog ? ['WATCHDOG_PID='] : []),
    ];
    const entries = environment(program, start, [...LISTEN, 'WATCHDOG_PID']);
    const pass = [
      line,
      stderr,
      ...heritage.sockets.map(({ fd }) => fd),
      ...heritage.pidfiles.map(({ fd }) => fd),
      ...passed.fds,
    ];
    return check(
      native.startBeside(
        program.execPath ?? process.execPath,
        commandLine(program, start),
        [...entries, ...passed.variables],
        numbered,
        program.cwd ?? start.directory ?? '',
        [0, 1, relay],
        [...new Set(pass)],
        line,
      ),
      'fork',
    );
  } finally {
    closeSync(stderr);
  }
}
