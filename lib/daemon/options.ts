// The options of becomeDaemon(), checked and resolved before anything happens.
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
   * The file that holds the daemon's pid. It is locked while the daemon runs, so that there is only
   * one daemon per file. Default: none.
   */
  pidfile?: string | undefined;
  /**
   * A file to append standard output and standard error to. A new file belongs to `user` and has
   * mode 0640. docs/daemon.md, "Logs", lists what root refuses. Default: /dev/null.
   */
  log?: string | undefined;
  /** A file to append standard output to, instead of `log`. */
  stdout?: string | undefined;
  /** A file to append standard error to, instead of `log`. */
  stderr?: string | undefined;
  /**
   * The signal or signals, such as `SIGHUP`, that make the daemon open its log files again, for log
   * rotation; see `Daemon.reopenLogs()`. `user` must be able to open them inside of the chroot.
   * Default: none.
   */
  reopenOn?: NodeJS.Signals | number | readonly (NodeJS.Signals | number)[] | undefined;
  /**
   * The file mode creation mask, 0 to 0o777. Default: 0o022. With the 0 of daemon(7)
   * `fs.writeFile()` would create files that everyone may write to.
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
   * Programs that the daemon starts gain no privileges by a set-user-ID bit or file capabilities
   * (no_new_privs). Then `sudo` and some mailers do not work. Default: false.
   */
  noNewPrivileges?: boolean | undefined;
  /**
   * The environment variables. Default: variables of the terminal, the login and the shell are
   * removed (docs/daemon.md has the list); if `user` is given, HOME, USER, LOGNAME and SHELL are
   * set for that user. `keep`: no variable changes. An object: see {@link EnvironmentOptions}.
   */
  env?: 'keep' | EnvironmentOptions | undefined;
  /**
   * Descriptors to keep, although they are inherited or lead to the terminal. With the strategy
   * `reexec` also descriptors that the script has opened, such as a listening socket. Not 0, 1 and
   * 2 if they are redirected to /dev/null or a log. Default: none.
   */
  keep?: readonly number[] | undefined;
  /**
   * Close the descriptors that the starter certainly left open: see {@link openDescriptors}.
   * Default: true.
   */
  closeInherited?: boolean | undefined;
  /**
   * How the launcher makes the daemon. `fork`: by live fork; what the script has made keeps working
   * in the daemon. `reexec`: by starting the same program again; the script runs a second time from
   * its beginning, and there its call of becomeDaemon() returns. `auto`: `fork`, or `reexec` if
   * forkSupport() reports no live fork; then the launcher prints the reason. Default: `auto`.
   */
  strategy?: 'auto' | 'fork' | 'reexec' | undefined;
  /**
   * Fork although Worker threads run. They continue in the daemon: see {@link fork}. If false,
   * `auto` starts the program again. Default: false.
   */
  workers?: boolean | undefined;
  /**
   * When the launcher reports success. `auto`: after the event loop has run one turn after
   * becomeDaemon() without an uncaught error. Readiness waits up to a second for name look-ups that
   * have begun, such as that of listen() for `localhost`. `evaluated`: additionally after the main
   * module has been evaluated, with its top-level awaits. `detached`: as soon as becomeDaemon()
   * returns. `manual`: when the daemon calls `ready()`. With `auto` and `evaluated`, a script that
   * exits earlier with code 0 counts as ready. Default: `auto`.
   */
  ready?: 'auto' | 'evaluated' | 'detached' | 'manual' | undefined;
  /**
   * How long the daemon may take until it is ready, in milliseconds, from 1 to 2^31-1. Default:
   * 30000.
   */
  timeout?: number | undefined;
  /**
   * False, for a process under a supervisor: do not fork, and keep the session and the standard
   * streams (except those that have a log file). Errors are thrown to the script. `auto`: true,
   * unless {@link supervisor} finds a supervisor or `notifyFd` is given. Default: `auto`.
   */
  detach?: boolean | 'auto' | undefined;
  /**
   * A descriptor to which the daemon writes a newline when it is ready, and which it then closes:
   * the number in the file `notification-fd` of an s6 service. Default: none.
   */
  notifyFd?: number | undefined;
  /**
   * Once the daemon is ready, send the keep-alive messages that the service manager asks for
   * (`WatchdogSec=` of a unit), as long as the event loop runs and the function, if one is given,
   * returns true; see {@link startWatchdog}. Default: true.
   */
  watchdog?: boolean | (() => boolean) | undefined;
}

/** @internal The options with all defaults; paths are absolute. */
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

/** The accepted options. Before 0.2 `dryRun` asked for a plan. */
interface Given extends DaemonOptions {
  dryRun?: boolean | undefined;
}

/** Checks one option; returns undefined if it is not given. */
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

/** Names of options before 0.2. */
const FORMER = { pidFile: 'pidfile' };

/**
 * @internal Checks the options of becomeDaemon() and adds the defaults. Makes no system calls
 * except getcwd(2) and those of supervisor().
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

/** @internal Which of 0, 1 and 2 are redirected. */
export function replaced({ detach, stdout, stderr }: Plan): number[] {
  const files = [undefined, stdout, stderr];
  return [0, 1, 2].filter((fd) => detach || files[fd] !== undefined);
}

function expectKeepable(keep: readonly number[], plan: Plan): void {
  const lost = replaced(plan);
  keep.forEach((fd, at) => {
    if (!lost.includes(fd)) return;
    const reason = 'is redirected to /dev/null or a log: dup() it and keep the duplicate';
    throw invalidArgValue(`options.keep[${at}]`, fd, reason);
  });
}
