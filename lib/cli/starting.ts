// From a command line to becomeDaemon()'s options.
import { absolutePath } from '../base/absolute.js';
import type { DaemonOptions } from '../daemon/become.js';
import { startedAgain } from '../daemon/handover.js';
import { pathInRoot } from '../posix/chroot.js';
import { supervisor } from '../service/supervisor.js';
import { resolveApp } from './app.js';
import {
  BIRTH,
  COMMON,
  FILE,
  listOf,
  type Options,
  parse,
  secondsOf,
  textOf,
  UsageError,
  type Values,
  wordOf,
} from './arguments.js';
import { type Address, addressesOf } from './listen.js';
import { givenName, givenPidFile, nameOf, pidFileFor } from './pidfile.js';
import { signalOf } from './signals.js';

export const OPTIONS = { ...FILE, ...BIRTH, ...COMMON };

const READY = ['import', 'manual', 'detached'] as const;

/** A start whose command line is valid. */
export interface Start {
  options: DaemonOptions;
  /** The name in messages. */
  name: string;
  /** The application's path in the daemon: inside of the chroot. */
  app: string;
  /** The application's path outside of the chroot. */
  file: string;
  args: string[];
  /** The sockets to bind for it. */
  addresses: readonly Address[];
  title: string | undefined;
  ready: (typeof READY)[number];
  json: boolean;
}

const idOrName = (text: string) => (/^\d+$/.test(text) ? Number(text) : text);

function octal(text: string): number {
  if (/^[0-7]{1,4}$/.test(text)) return Number.parseInt(text, 8);
  throw new UsageError(`--umask: '${text}' is not an octal number, such as 022`);
}

function variables(texts: readonly string[]): Record<string, string> {
  const entries = texts.map((text) => {
    const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (name === '') throw new UsageError(`--env: '${text}' is not NAME=VALUE`);
    return [name, value];
  });
  return Object.fromEntries(entries);
}

const STRATEGIES = ['auto', 'fork', 'reexec'] as const;

/** The option of becomeDaemon() for each option of the command line. */
const TO_OPTION: Record<string, (text: string) => DaemonOptions> = {
  log: (log) => ({ log }),
  stdout: (stdout) => ({ stdout }),
  stderr: (stderr) => ({ stderr }),
  'reopen-on': (signal) => ({ reopenOn: signalOf(signal, 'reopen-on') as NodeJS.Signals }),
  user: (user) => ({ user: idOrName(user) }),
  group: (group) => ({ group: idOrName(group) }),
  chroot: (chroot) => ({ chroot }),
  cwd: (cwd) => ({ cwd }),
  umask: (umask) => ({ umask: octal(umask) }),
  strategy: (strategy) => ({ strategy: wordOf(strategy, 'strategy', STRATEGIES) }),
  timeout: (seconds) => ({ timeout: secondsOf(seconds, 'timeout') }),
};

/** Whether the process goes to the background. */
function detachment({ detach, foreground }: Values): boolean {
  if (detach === true && foreground === true) {
    throw new UsageError('--detach and --foreground exclude each other; give one');
  }
  if (detach === true || foreground === true) return detach === true;
  // A process that was started again is detached already. Its environment comes from the launcher,
  // so it shows no supervisor.
  return startedAgain() || supervisor() === null;
}

function optionsOf(values: Values, pidfile: string | undefined, detach: boolean): DaemonOptions {
  const all = Object.entries(TO_OPTION).map(([name, convert]) => {
    const text = textOf(values, name);
    if (text === '') throw new UsageError(`--${name}: it is empty`);
    return text === undefined ? {} : convert(text);
  });
  const set = variables(listOf(values, 'env'));
  return Object.assign(
    // 'manual': the application is loaded after the call, and the daemon is ready only then.
    { ready: values.ready === 'detached' ? 'detached' : 'manual', detach, env: { set } },
    pidfile === undefined ? {} : { pidfile },
    values['no-new-privileges'] === true ? { noNewPrivileges: true } : {},
    ...all,
  );
}

function insideRoot(app: string, root: string | undefined): string {
  const here = root === undefined ? app : pathInRoot(app, absolutePath(root));
  if (here === undefined) throw new UsageError(`${app} is not inside of --chroot ${root}`);
  return here;
}

/**
 * Reads a command line that ends with an application and its arguments.
 *
 * @param needsFile - require a pidfile in the foreground too.
 */
export function startOf(
  args: readonly string[],
  options: Options = OPTIONS,
  needsFile = false,
): Start {
  const [values, [app, ...rest]] = parse(args, options);
  if (app === undefined) throw new UsageError('which application? Give its file');
  const detach = detachment(values);
  const addresses = addressesOf(values);
  const given = givenPidFile(values);
  const ready = wordOf(textOf(values, 'ready') ?? 'import', 'ready', READY);
  const file = resolveApp(app);
  const pidfile = detach || needsFile ? pidFileFor(values, file) : given;
  return {
    options: optionsOf(values, pidfile, detach),
    name: givenName(values) ?? nameOf(file),
    app: insideRoot(file, textOf(values, 'chroot')),
    file,
    args: rest,
    addresses,
    title: textOf(values, 'title'),
    ready,
    json: values.json === true,
  };
}
