// From a command line to becomeDaemon()'s options.
import { resolve } from 'node:path';
import { pathInRoot } from '../chroot.js';
import type { DaemonOptions } from '../daemon.js';
import { resolveApp } from './app.js';
import {
  BIRTH,
  COMMON,
  FILE,
  parse,
  secondsOf,
  textOf,
  UsageError,
  type Values,
} from './options.js';
import { givenPidFile } from './pidfile.js';
import { signalOf } from './stopping.js';

export const OPTIONS = { ...FILE, ...BIRTH, ...COMMON };

const READY = ['import', 'manual', 'detached'] as const;

/** A start that makes sense as far as the command line tells. */
export interface Start {
  options: DaemonOptions;
  /** The application as it is called in the daemon: inside of the chroot. */
  app: string;
  /** The same outside of it. */
  file: string;
  args: string[];
  title: string | undefined;
  ready: (typeof READY)[number];
  values: Values;
}

const idOrName = (text: string) => (/^\d+$/.test(text) ? Number(text) : text);

function octal(text: string): number {
  if (!/^[0-7]{1,4}$/.test(text)) throw new UsageError(`--umask: '${text}' is not an octal number`);
  return Number.parseInt(text, 8);
}

/** What each option of the command line is to becomeDaemon(). */
const TO_OPTION: Record<string, (text: string) => DaemonOptions> = {
  log: (log) => ({ log }),
  stdout: (stdout) => ({ stdout }),
  stderr: (stderr) => ({ stderr }),
  'reopen-on': (signal) => ({ reopenOn: signalOf(signal) as NodeJS.Signals }),
  user: (user) => ({ user: idOrName(user) }),
  group: (group) => ({ group: idOrName(group) }),
  chroot: (chroot) => ({ chroot }),
  cwd: (cwd) => ({ cwd }),
  umask: (umask) => ({ umask: octal(umask) }),
  strategy: (strategy) => ({ strategy: strategy as NonNullable<DaemonOptions['strategy']> }),
  timeout: (seconds) => ({ timeout: secondsOf(seconds, 'timeout') }),
};

function optionsOf(values: Values): DaemonOptions {
  const pidFile = givenPidFile(values);
  const all = Object.entries(TO_OPTION).map(([name, convert]) => {
    const text = textOf(values, name);
    return text === undefined ? {} : convert(text);
  });
  return Object.assign(
    // The application is loaded after the call, so that the daemon is ready only then.
    { ready: values.ready === 'detached' ? 'auto' : 'manual' },
    pidFile === undefined ? {} : { pidFile },
    values.foreground === true ? { detach: false } : {},
    ...all,
  );
}

function readiness(values: Values): Start['ready'] {
  const when = textOf(values, 'ready') ?? 'import';
  const known = READY.find((one) => one === when);
  if (known === undefined) throw new UsageError(`--ready: one of ${READY.join(', ')}`);
  return known;
}

function insideRoot(app: string, root: string | undefined): string {
  const here = root === undefined ? app : pathInRoot(app, resolve(root));
  if (here === undefined) throw new UsageError(`${app} is not inside of --chroot ${root}`);
  return here;
}

/** Reads a command line that ends with an application and its arguments. */
export function startOf(args: readonly string[], options = OPTIONS): Start {
  const [values, [app, ...rest]] = parse(args, options);
  if (app === undefined) throw new UsageError('which application? Give its file');
  const file = resolveApp(app);
  return {
    options: optionsOf(values),
    app: insideRoot(file, textOf(values, 'chroot')),
    file,
    args: rest,
    title: textOf(values, 'title'),
    ready: readiness(values),
    values,
  };
}
