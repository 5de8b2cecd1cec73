// What becomeDaemon() may be told, checked and resolved before anything happens.
import { resolve } from 'node:path';
import { absolutePath } from '../base/absolute.js';
import { invalidArgValue } from '../base/errors.js';
import {
  boolean,
  fileDescriptor,
  fileDescriptors,
  INT_MAX,
  integer,
  options,
  path,
  renamed,
  syncFunc,
} from '../base/validate.js';
import { nameOrId } from '../posix/credentials.js';
import { supervisor } from '../service/supervisor.js';
import { reopenSignals } from '../stdio/reopen.js';
import { type EnvironmentOptions, type EnvironmentPlan, environmentPlan } from './environment.js';

/** Options of {@link becomeDaemon}. Relative paths start at the current directory. */
export interface DaemonOptions {
  /**
   * The file that holds the daemon's pid; locked while the daemon runs, so that there is one daemon per file.
   * Default: none.
   */
  pidfile?: string | undefined;
  /**
   * A file to append standard output and standard error to; a new one belongs to `user`, with mode 0640.
   * docs/daemon.md, "Logs", lists what root refuses. Default: /dev/null.
   */
  log?: string | undefined;
  /** A file to append standard output to, instead of `log`. */
  stdout?: string | undefined;
  /** A file to append standard error to, instead of `log`. */
  stderr?: string | undefined;
  /**
   * The signal or signals at which the log files are opened again, such as `SIGHUP`, for log rotation; see
   * `Daemon.reopenLogs()`. `user` must be able to do that, in the chroot. Default: none.
   */
  reopenOn?: NodeJS.Signals | number | readonly (NodeJS.Signals | number)[] | undefined;
  /**
   * The file mode creation mask, 0 to 0o777. Default: 0o022; with the 0 of daemon(7) `fs.writeFile()` would create
   * files that everybody may write to.
   */
  umask?: number | undefined;
  /** The working directory, inside of `chroot` if there is one. Default: `/`. */
  cwd?: string | undefined;
  /** The root directory. Default: unchanged. */
  chroot?: string | undefined;
  /** The user to become: name or uid. Default: unchanged. */
  user?: string | number | undefined;
  /** The group to become: name or gid. Default: the login group of `user`, or unchanged. */
  group?: string | number | undefined;
  /**
   * Runs in the daemon with all privileges, before `chroot`, `user` and `group`. Not an async function: the code
   * after its first `await` would run as `user`.
   */
  privileged?: (() => void) | undefined;
  /**
   * No program that the daemon starts gets more privileges than it has, by a set-user-ID bit or file
   * capabilities (no_new_privs). `sudo` and some mailers do not work then. Default: false.
   */
  noNewPrivileges?: boolean | undefined;
  /**
   * The environment variables. Default: those of the terminal, the login and the shell are removed (docs/daemon.md
   * has the list), and with another `user` HOME, USER, LOGNAME and SHELL become that user's. `keep`: all stay as they
   * are. An object: see {@link EnvironmentOptions}.
   */
  env?: 'keep' | EnvironmentOptions | undefined;
  /**
   * Descriptors that stay as they are, inherited or of the terminal; with the strategy `reexec` also
   * those that the script has opened, such as a listening socket. Not 0, 1 and 2, if they become
   * /dev/null or a log. Default: none.
   */
  keep?: readonly number[] | undefined;
  /**
   * Close the descriptors that the starter left open, as far as that is certain: see {@link openDescriptors}.
   * Default: true.
   */
  closeInherited?: boolean | undefined;
  /**
   * The way from launcher to daemon. `fork`: by live fork; what the script has made goes on in the daemon. `reexec`:
   * the daemon is the same program, started again from its top; the script runs a second time, and its call of
   * becomeDaemon() returns. `auto`: `fork`, or `reexec` where forkSupport() reports no live fork; the launcher prints
   * the reason. Default: `auto`.
   */
  strategy?: 'auto' | 'fork' | 'reexec' | undefined;
  /**
   * Fork although Worker threads run; they go on in the daemon: see {@link fork}. Without it `auto` starts the
   * program again. Default: false.
   */
  workers?: boolean | undefined;
  /**
   * When the launcher may report success. `auto`: when the event loop has turned once after becomeDaemon(), without
   * an uncaught error; name look-ups that have begun by then, such as that of listen() for `localhost`, have ended,
   * or had a second. `evaluated`: also when the main module has been evaluated, with its top-level awaits.
   * `detached`: as soon as becomeDaemon() returns. `manual`: when the daemon calls `ready()`. A script that exits
   * with code 0 before, with `auto` and `evaluated`, counts as ready. Default: `auto`.
   */
  ready?: 'auto' | 'evaluated' | 'detached' | 'manual' | undefined;
  /** Milliseconds that the daemon has until it is ready, from 1 to 2^31-1. Default: 30000. */
  timeout?: number | undefined;
  /**
   * False: do not fork, keep session and standard streams (except those that have a log file), for a process under a
   * supervisor. Errors are thrown then. `auto`: true, unless {@link supervisor} finds one or `notifyFd` is given.
   * Default: `auto`.
   */
  detach?: boolean | 'auto' | undefined;
  /**
   * A descriptor that gets a newline and is closed when the daemon is ready: the number in the file
   * `notification-fd` of an s6 service. Default: none.
   */
  notifyFd?: number | undefined;
  /**
   * From readiness on, send the service manager the sign of life that it asks for (`WatchdogSec=` of a unit), as long
   * as the event loop turns and the function, if it is one, returns true; see {@link startWatchdog}. Default: true.
   */
  watchdog?: boolean | (() => boolean) | undefined;
}

/** @internal The options, complete; paths are absolute. */
export interface Plan {
  pidfile: string | undefined;
  stdout: string | undefined;
  stderr: string | undefined;
  reopenOn: readonly NodeJS.Signals[];
  umask: number;
  cwd: string;
  chroot: string | undefined;
  user: string | number | undefined;
  group: string | number | undefined;
  privileged: (() => void) | undefined;
  noNewPrivileges: boolean;
  env: EnvironmentPlan | 'keep';
  keep: readonly number[];
  closeInherited: boolean;
  strategy: 'auto' | 'fork' | 'reexec';
  workers: boolean;
  ready: 'auto' | 'evaluated' | 'detached' | 'manual';
  timeout: number;
  detach: boolean;
  notifyFd: number | undefined;
  watchdog: boolean | (() => boolean);
  dryRun: boolean;
}

const KNOWN = [
  'pidfile',
  'log',
  'stdout',
  'stderr',
  'reopenOn',
  'umask',
  'cwd',
  'chroot',
  'user',
  'group',
  'privileged',
  'noNewPrivileges',
  'env',
  'keep',
  'closeInherited',
  'strategy',
  'workers',
  'ready',
  'timeout',
  'detach',
  'notifyFd',
  'watchdog',
  'dryRun',
] as const satisfies readonly (keyof Given)[];

/** What is taken: `dryRun` was how a plan was asked for before 0.2. */
interface Given extends DaemonOptions {
  dryRun?: boolean | undefined;
}

/** The check of one option; undefined if it is not given. */
function given<K extends keyof Given, R>(
  from: Given,
  key: K,
  checked: (value: unknown, name: string) => R,
): R | undefined {
  const value = from[key];
  return value === undefined ? undefined : checked(value, `options.${key}`);
}

const absolute = (value: unknown, name: string) => absolutePath(path(value, name));
const insideRoot = (value: unknown, name: string) => resolve('/', path(value, name));
const mask = (value: unknown, name: string) => integer(value, name, 0, 0o777);
const milliseconds = (value: unknown, name: string) => integer(value, name, 1, INT_MAX);

function oneOf<T extends string>(...allowed: T[]): (value: unknown, name: string) => T {
  return (value, name) => {
    const found = allowed.find((word) => word === value);
    if (found !== undefined) return found;
    throw invalidArgValue(name, value, `must be one of: ${allowed.join(', ')}`);
  };
}

function watchdog(value: unknown, name: string): boolean | (() => boolean) {
  return typeof value === 'function'
    ? (syncFunc(value, name) as () => boolean)
    : boolean(value, name, ' or function');
}

function detachment(value: unknown, name: string): boolean | 'auto' {
  return value === 'auto' ? value : boolean(value, name, " or 'auto'");
}

/** What options were called before 0.2. */
const FORMER = { pidFile: 'pidfile' };

/**
 * @internal Checks what becomeDaemon() was given, and makes it complete. No system call but getcwd(2), and
 * what supervisor() looks at.
 */
export function planOf(value: unknown): Plan {
  const from = options<Given>(renamed(value, FORMER), KNOWN);
  const log = given(from, 'log', absolute);
  const chroot = given(from, 'chroot', absolute);
  const notifyFd = given(from, 'notifyFd', fileDescriptor);
  const detach = given(from, 'detach', detachment) ?? 'auto';
  const keep = given(from, 'keep', fileDescriptors) ?? [];
  const plan: Plan = {
    pidfile: given(from, 'pidfile', absolute),
    stdout: given(from, 'stdout', absolute) ?? log,
    stderr: given(from, 'stderr', absolute) ?? log,
    reopenOn: given(from, 'reopenOn', reopenSignals) ?? [],
    umask: given(from, 'umask', mask) ?? 0o022,
    cwd: given(from, 'cwd', chroot === undefined ? absolute : insideRoot) ?? '/',
    chroot,
    user: given(from, 'user', nameOrId),
    group: given(from, 'group', nameOrId),
    privileged: given(from, 'privileged', syncFunc) as (() => void) | undefined,
    noNewPrivileges: given(from, 'noNewPrivileges', boolean) ?? false,
    env: given(from, 'env', environmentPlan) ?? environmentPlan(undefined, 'options.env'),
    keep: notifyFd === undefined ? keep : [...keep, notifyFd],
    closeInherited: given(from, 'closeInherited', boolean) ?? true,
    strategy: given(from, 'strategy', oneOf('auto', 'fork', 'reexec')) ?? 'auto',
    workers: given(from, 'workers', boolean) ?? false,
    ready: given(from, 'ready', oneOf('auto', 'evaluated', 'detached', 'manual')) ?? 'auto',
    timeout: given(from, 'timeout', milliseconds) ?? 30_000,
    detach: detach === 'auto' ? notifyFd === undefined && supervisor() === null : detach,
    notifyFd,
    watchdog: given(from, 'watchdog', watchdog) ?? true,
    dryRun: given(from, 'dryRun', boolean) ?? false,
  };
  expectKeepable(keep, plan);
  return plan;
}

/** @internal Which of 0, 1 and 2 become other files. */
export function replaced({ detach, stdout, stderr }: Plan): number[] {
  const files = [undefined, stdout, stderr];
  return [0, 1, 2].filter((fd) => detach || files[fd] !== undefined);
}

function expectKeepable(keep: readonly number[], plan: Plan): void {
  const lost = replaced(plan);
  keep.forEach((fd, at) => {
    if (!lost.includes(fd)) return;
    const reason = 'becomes /dev/null or a log: dup() what it leads to, and keep that';
    throw invalidArgValue(`options.keep[${at}]`, fd, reason);
  });
}
