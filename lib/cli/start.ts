// daemonkit start: becomes a daemon, then runs the application in it.
import { spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import { becomeDaemon } from '../daemon.js';
import { pidfileRead } from '../pidfile.js';
import { runApp } from './app.js';
import { UsageError } from './options.js';
import { type Application, type Command, EXIT, type Outcome } from './outcome.js';
import { OPTIONS, type Start, startOf } from './starting.js';

/** Returns in the daemon, or where there is nothing to detach from. */
function becomeApp({ options, app, args, title, ready }: Start): Application {
  const daemon = becomeDaemon(options);
  if (title !== undefined) process.title = title;
  return async () => {
    await runApp(app, args);
    if (ready === 'import') daemon.ready();
  };
}

/** The command line that starts it. */
function commandOf({ values, file, args }: Start): string[] {
  const { json: _json, retry: _retry, ...given } = values;
  const options = Object.entries(given).map(([name, value]) =>
    value === true ? `--${name}` : `--${name}=${value}`,
  );
  return [...process.execArgv, process.argv[1] ?? '', 'start', ...options, file, ...args];
}

/**
 * Starts it from a process of its own: for those who have something to do after it, as the launcher
 * never comes back.
 */
export function startAndReturn(start: Start): Outcome {
  const { foreground, json } = start.values;
  if (foreground === true) throw new UsageError('--foreground: not with restart, nor with --json');
  const { status, signal, stderr, error } = spawnSync(process.execPath, commandOf(start), {
    stdio: json ? ['inherit', 'ignore', 'pipe'] : 'inherit',
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  const exitCode = status ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  const path = start.options.pidFile;
  const running = exitCode === EXIT.done && path !== undefined;
  const pid = running ? pidfileRead(path).pid : undefined;
  return { exitCode, text: '', data: { path, pid, message: stderr?.trim() || undefined } };
}

async function run(args: readonly string[]): Promise<Outcome | Application> {
  const start = startOf(args);
  return start.values.json === true ? startAndReturn(start) : becomeApp(start);
}

export const start: Command = { options: OPTIONS, run };
