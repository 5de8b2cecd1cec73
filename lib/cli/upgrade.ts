// daemonkit upgrade: replaces a preforking daemon by the newest version of its program. It returns
// when the new version serves or has failed.
import { sleep } from '../base/timers.js';
import { findDaemon } from '../pidfile/search.js';
import type { SignalName } from '../system/signal-numbers.js';
import { COMMON, FILE, type Options, parseAll, secondsOf, textOf, UPGRADE } from './arguments.js';
import { type Command, EXIT, type Outcome } from './outcome.js';
import { neededPidFile } from './pidfile.js';
import { type Owner, signalled } from './reload.js';
import { signalOf } from './signals.js';
import { upgradesOf } from './workers.js';

const OPTIONS: Options = { ...FILE, ...UPGRADE, ...COMMON };

const LOOK_MS = 50;

interface Asked {
  path: string;
  owner: Owner;
  signal: SignalName;
  /** Milliseconds. */
  timeout: number;
}

/** The process that the pidfile names, if it is not the one from before. */
function successor(path: string, before: number): number | undefined {
  const found = findDaemon(path);
  found.owner?.[Symbol.dispose]();
  const { running, pid } = found.report;
  return running && pid !== before ? pid : undefined;
}

function inWords(stderr: string | undefined): string {
  const lines = (stderr ?? '').trimEnd().split('\n').slice(-20);
  return lines.join('') === '' ? '' : `\n${lines.join('\n')}`;
}

/** The master has reported a failure. */
function failed({ path, owner, signal }: Asked): Outcome {
  const failure = upgradesOf(owner.pid)?.failure ?? {};
  const { message, code, step, stderr } = failure;
  const text = `process ${owner.pid} still runs: ${message}${inWords(stderr)}`;
  const data = { path, pid: owner.pid, signal, upgraded: false, message, code, step, failure };
  return { exitCode: EXIT.failed, text, data };
}

async function follow(asked: Asked): Promise<Outcome> {
  const { path, owner, signal, timeout } = asked;
  const { pid } = owner;
  const failures = () => upgradesOf(pid)?.failed ?? 0;
  const before = failures();
  const start = performance.now();
  owner.signal(signal);
  for (;;) {
    // First, because a process may end as soon as it gets the signal.
    const ended = await owner.ended(LOOK_MS);
    const now = successor(path, pid);
    if (now !== undefined) {
      const milliseconds = Math.round(performance.now() - start);
      const data = { path, pid: now, was: pid, signal, upgraded: true, milliseconds };
      return { exitCode: EXIT.done, text: `upgraded: process ${now} (was ${pid})`, data };
    }
    const data = { path, pid, signal, upgraded: false };
    if (ended) {
      const text = `process ${pid} has ended, and no process has taken its place`;
      return { exitCode: EXIT.failed, text, data };
    }
    if (failures() > before) return failed(asked);
    if (performance.now() - start > timeout) {
      const text = `process ${pid} still runs after ${timeout / 1000} s; the upgrade may still succeed`;
      return { exitCode: EXIT.failed, text, data };
    }
    await sleep(LOOK_MS);
  }
}

async function run(args: readonly string[]): Promise<Outcome> {
  const values = parseAll(args, OPTIONS);
  const signal = signalOf(textOf(values, 'signal') ?? 'USR2', 'signal');
  const timeout = secondsOf(textOf(values, 'timeout') ?? '90', 'timeout');
  const path = neededPidFile(values);
  return signalled(path, signal, (owner) => follow({ path, owner, signal, timeout }));
}

export const upgrade: Command = { options: OPTIONS, run };
