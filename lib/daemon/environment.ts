// The daemon's environment: daemon(7) step 4, "sanitize the environment block".

import { invalidArgType, invalidArgValue } from '../base/errors.js';
import { elements, options, string } from '../base/validate.js';
import { type Account, account } from '../posix/credentials.js';

/**
 * Which environment variables stay. A name may end with `*`, which matches any rest: `LC_*`.
 */
export interface EnvironmentOptions {
  /** Variables to keep that would otherwise be removed. Default: none. */
  keep?: readonly string[] | undefined;
  /**
   * Remove all variables except these and those of `keep`. Default: remove only those of the
   * terminal, the login and the shell.
   */
  only?: readonly string[] | undefined;
  /** Variables to set after the removal. Default: none. */
  set?: Readonly<Record<string, string>> | undefined;
}

/** The option with its defaults. */
export interface EnvironmentPlan {
  keep: readonly string[];
  only: readonly string[] | undefined;
  set: Readonly<Record<string, string>>;
}

/**
 * Variables of the terminal, the login and the shell that the daemon leaves. They would mislead
 * programs that it starts: to a terminal that they do not have (TERM, LINES), to a directory that
 * is no longer current (PWD), or to sockets that end with the login (DISPLAY, SSH_AUTH_SOCK, which
 * also gives the daemon the starter's keys). With ENV and BASH_ENV each shell that the daemon
 * starts would run a file of the starter. The list omits variables that people set for daemons on
 * purpose: PATH, LANG, TZ, TMPDIR, LD_PRELOAD, NODE_*.
 */
const OF_SESSION = [
  ...['TERM', 'TERMCAP', 'COLORTERM', 'TERM_PROGRAM*', 'TERM_SESSION_ID', 'VTE_VERSION'],
  ...['LINES', 'COLUMNS', 'WINDOWID', 'WINDOW', 'STY', 'TMUX', 'TMUX_PANE', 'GPG_TTY'],
  ...['DISPLAY', 'WAYLAND_DISPLAY', 'XAUTHORITY', 'DESKTOP_STARTUP_ID', 'XDG_ACTIVATION_TOKEN'],
  ...['SESSION_MANAGER', 'DBUS_SESSION_BUS_*', 'DBUS_STARTER_*', 'XDG_SESSION_*', 'XDG_SEAT'],
  ...['XDG_VTNR', 'SSH_*', 'GPG_AGENT_INFO', 'SUDO_*', 'DOAS_USER', 'PKEXEC_UID'],
  ...['_', 'PWD', 'OLDPWD', 'SHLVL', 'CDPATH', 'IFS', 'ENV', 'BASH_ENV', 'BASH_FUNC_*'],
];

/** Variables of the former user. */
const OF_USER = ['HOME', 'USER', 'LOGNAME', 'SHELL', 'MAIL', 'USERNAME', 'XDG_*'];

/** Variables of the supervisor for this process. The code that reads them removes them. */
const OF_SUPERVISOR = [
  ...['LISTEN_*', 'NOTIFY_SOCKET', 'WATCHDOG_*', 'MAINPID', 'MANAGERPID', 'INVOCATION_ID'],
  ...['SYSTEMD_EXEC_PID', 'CREDENTIALS_DIRECTORY', 'JOURNAL_STREAM'],
];

function matches(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
  );
}

function names(value: unknown, name: string): readonly string[] {
  return elements(value, name, variable);
}

function variable(value: unknown, name: string): string {
  const text = string(value, name);
  if (text !== '' && !/[=\0]/.test(text)) return text;
  throw invalidArgValue(name, value, 'is not the name of an environment variable');
}

function variables(value: unknown, name: string): Readonly<Record<string, string>> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw invalidArgType(name, 'of type object', value);
  }
  for (const [key, text] of Object.entries(value)) {
    variable(key, `${name} key`);
    if (string(text, `${name}.${key}`).includes('\0')) {
      throw invalidArgValue(`${name}.${key}`, text, 'must be a string without null bytes');
    }
  }
  return { ...value } as Readonly<Record<string, string>>;
}

/** Checks the option `env`. */
export function environmentPlan(value: unknown, name: string): EnvironmentPlan | 'keep' {
  if (value === 'keep') return value;
  if (value === null || !['object', 'undefined'].includes(typeof value) || Array.isArray(value)) {
    throw invalidArgType(name, "'keep' or of type object", value);
  }
  const { keep, only, set } = options<EnvironmentOptions>(value, ['keep', 'only', 'set'], name);
  return {
    keep: keep === undefined ? [] : names(keep, `${name}.keep`),
    only: only === undefined ? undefined : names(only, `${name}.only`),
    set: set === undefined ? {} : variables(set, `${name}.set`),
  };
}

/** Looks up the variables that login(1) would set, if the user changes. */
export function loginOf(
  uid: number | undefined,
  always = false,
): Record<string, string> | undefined {
  if (uid === undefined || (uid === process.getuid?.() && !always)) return undefined;
  const found: Account | undefined = account(uid);
  if (found === undefined) return {};
  const { name, home, shell } = found;
  return { HOME: home, USER: name, LOGNAME: name, SHELL: shell };
}

/**
 * Cleans process.env, which is also the environment of the programs that the daemon starts.
 *
 * @param plan - the option.
 * @param session - whether the process has left its terminal and session.
 * @param login - the result of {@link loginOf} before the user changed.
 */
export function cleanEnvironment(
  { keep, only, set }: EnvironmentPlan,
  session: boolean,
  login: Record<string, string> | undefined,
): void {
  const alien = [...(session ? OF_SESSION : []), ...(login === undefined ? [] : OF_USER)];
  const stays = (name: string) => {
    if (matches(name, keep)) return true;
    if (only === undefined) return !matches(name, alien);
    return matches(name, only) || matches(name, OF_SUPERVISOR);
  };
  for (const name of Object.keys(process.env)) if (!stays(name)) delete process.env[name];
  for (const [name, value] of Object.entries(login ?? {})) {
    if (!matches(name, keep)) process.env[name] = value;
  }
  Object.assign(process.env, set);
}
