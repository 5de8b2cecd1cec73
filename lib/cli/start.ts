// daemonkit start: becomes a daemon, then runs the application in it.

import { becomeDaemon } from '../daemon/become.js';
import { type Farewell, inWords, onFarewell } from '../daemon/farewell.js';
import { NEVER_CALLED } from '../daemon/report.js';
import { runApp } from './app.js';
import { openAddresses, reserveDescriptors } from './listen.js';
import { type Application, type Command, EXIT, type Outcome } from './outcome.js';
import { rehearse } from './rehearsal.js';
import { OPTIONS, type Start, startOf } from './starting.js';
import { lineOf } from './telling.js';

/** The reason why an application is not ready, in the words of the command line. */
function inOurWords({ ready, app }: Start, message: string): string {
  const words = {
    import: ` (--ready import, but ${app} had not finished loading: a top-level await?)`,
    manual: ' (--ready manual, but currentDaemon().ready() was never called)',
    detached: '',
  }[ready];
  return message.replace(NEVER_CALLED, () => words);
}

/** The last message of the launcher. `before` is the process that was stopped for this start. */
function outcomeOf(start: Start, farewell: Farewell, before?: number): Outcome {
  const { name, options } = start;
  const path = options.pidfile;
  const { pid, exitCode } = farewell;
  if (exitCode !== EXIT.done) {
    const message = inOurWords(start, farewell.message);
    const after = before === undefined ? '' : `process ${before} was stopped, and `;
    return {
      exitCode,
      text: `${after}${inWords({ ...farewell, message })}`,
      data: { name, path, message },
    };
  }
  const what = before === undefined ? 'started' : 'restarted';
  const was = before === undefined ? '' : ` (was ${before})`;
  const text = `${what} ${name}: process ${pid}${was}, pidfile ${path}`;
  return { exitCode, text, data: { name, path, pid } };
}

/** The descriptor number of the first socket. */
export type First = number | undefined;

/**
 * Returns in the daemon, or in a process that does not detach. The launcher ends within
 * becomeDaemon(), which prints the outcome.
 *
 * @param command - the command's name: start or restart.
 * @param before - the process that was stopped for it.
 */
export function becomeApp(
  command: string,
  start: Start,
  first: First,
  before?: number,
): Application {
  const { options, app, args, title, ready, addresses, json } = start;
  const removeSockets = first === undefined ? () => {} : openAddresses(addresses, first);
  onFarewell((farewell) => {
    if (farewell.exitCode !== EXIT.done) removeSockets();
    return lineOf(command, json, outcomeOf(start, farewell, before));
  });
  let daemon: ReturnType<typeof becomeDaemon>;
  try {
    daemon = becomeDaemon(options);
  } catch (error) {
    removeSockets();
    throw error;
  }
  if (title !== undefined) process.title = title;
  return async () => {
    await runApp(app, args);
    if (ready === 'import') daemon.ready();
  };
}

async function run(args: readonly string[]): Promise<Outcome | Application> {
  const start = startOf(args);
  const first = reserveDescriptors(start.addresses);
  // Before any socket's file exists that an error could leave behind.
  if (first !== undefined) rehearse(start);
  return becomeApp('start', start, first);
}

export const start: Command = { options: OPTIONS, run };
