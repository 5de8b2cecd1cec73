// daemonkit reload: sends SIGHUP, or another signal, to the daemon if it has a handler for it.
import type { SystemError } from '../base/errors.js';
import { findSettled, isReady, provenOwner } from '../pidfile/search.js';
import type { SignalName } from '../system/signal-numbers.js';
import { COMMON, FILE, type Options, parseAll, RELOAD, textOf } from './arguments.js';
import { type Command, EXIT, type Outcome } from './outcome.js';
import { neededPidFile } from './pidfile.js';
import { reaction, signalOf } from './signals.js';

const OPTIONS: Options = { ...FILE, ...RELOAD, ...COMMON };

/** signal(7), "Standard signals": the actions other than Term and Core. */
const EFFECTS: Record<string, string> = {
  ...Object.fromEntries(['SIGCHLD', 'SIGURG', 'SIGWINCH', 'SIGCONT'].map((s) => [s, 'do nothing'])),
  ...Object.fromEntries(['SIGSTOP', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU'].map((s) => [s, 'stop it'])),
};

const effect = (signal: string) => EFFECTS[signal] ?? 'end it';

/** The reason not to send the signal, if there is one. */
function obstacle(pid: number, signal: string): string | undefined {
  const nothing = 'nothing was sent';
  switch (reaction(pid, signal)) {
    case 'handler':
      return undefined;
    case 'nothing':
      return `process ${pid} ignores ${signal}: ${nothing}`;
    case 'default':
      return `process ${pid} has no handler for ${signal}, which would ${effect(signal)}: ${nothing}`;
    case undefined:
      return `it is not known whether process ${pid} has a handler for ${signal}: ${nothing}`;
  }
}

export type Owner = NonNullable<ReturnType<typeof provenOwner>>;

/**
 * Sends a signal to the daemon that the pidfile names, if it is ready and has a handler. `send`
 * sends the signal and returns the outcome.
 */
export async function signalled(
  path: string,
  signal: SignalName,
  send: (owner: Owner) => Outcome | Promise<Outcome>,
): Promise<Outcome> {
  const found = await findSettled(path);
  const gone = { exitCode: EXIT.nothingToSignal, text: 'not running', data: { path, signal } };
  const owner = provenOwner(found);
  if (owner === undefined) return gone;
  const data = { path, pid: owner.pid, signal };
  try {
    if (!isReady(found.report)) {
      const text = `process ${owner.pid} is still starting, and not ready yet: nothing was sent`;
      return { exitCode: EXIT.failed, text, data };
    }
    const text = obstacle(owner.pid, signal);
    if (text !== undefined) return { exitCode: EXIT.unimplemented, text, data };
    return await send(owner);
  } catch (error) {
    if ((error as SystemError).code === 'ESRCH') return gone;
    throw error;
  } finally {
    owner[Symbol.dispose]();
  }
}

async function run(args: readonly string[]): Promise<Outcome> {
  const values = parseAll(args, OPTIONS);
  const signal = signalOf(textOf(values, 'signal') ?? 'HUP', 'signal');
  const path = neededPidFile(values);
  return signalled(path, signal, (owner) => {
    owner.signal(signal);
    const { pid } = owner;
    return {
      exitCode: EXIT.done,
      text: `${signal} sent to process ${pid}`,
      data: { path, pid, signal },
    };
  });
}

export const reload: Command = { options: OPTIONS, run };
