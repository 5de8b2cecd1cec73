// Runs a program of test/fixtures in a process group of its own and proves that none of it is left.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { doing, familyOf, hung } from './doing.js';
import { cleanEnvironment } from './environment.js';
import { tail } from './failures.js';
import { collect } from './output.js';
import { killIfThere, processGroup, runningIn } from './proc.js';
import './sweep.js';

export interface RunOptions {
  /**
   * Milliseconds until the whole group is killed and the run has failed; `stderr` then ends with what
   * each process was doing.
   */
  timeout?: number;
  /** Arguments for node, before the program. */
  execArgv?: string[];
  /** A command to run node with, as `['prlimit', '--nproc=5']`. It must exec, not fork. */
  under?: string[];
  env?: NodeJS.ProcessEnv;
  /** Called when the program has started; the run fails if it throws. */
  meanwhile?: (child: ChildProcess) => void | Promise<void>;
}

export interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  timedOut: boolean;
  /** Processes of the group that still lived when the program had ended. */
  survivors: number[];
}

export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
}

/** Kills what is left of a group; a last process may just be about to end by itself. */
async function sweep(pgid: number): Promise<number[]> {
  // Zombies left aside: in a container process 1 may be one that does not reap.
  for (let tries = 0; tries < 200 && runningIn(pgid).length > 0; tries++) await sleep(50);
  const survivors = runningIn(pgid);
  if (survivors.length > 0) killIfThere(-pgid);
  return survivors;
}

/** Runs `test/fixtures/NAME ARGS...` to its end. */
export async function run(
  name: string,
  args: string[] = [],
  options: RunOptions = {},
): Promise<Outcome> {
  const node = [process.execPath, ...(options.execArgv ?? []), fixture(name), ...args];
  const [command = '', ...rest] = [...(options.under ?? []), ...node];
  const child = spawn(command, rest, {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: cleanEnvironment(options.env),
  });
  const pgid = child.pid;
  assert.ok(pgid, `${command} does not start`);
  const output = collect(child);
  let timedOut = false;
  const limit = options.timeout ?? 30_000;
  let seen = '';
  const timer = setTimeout(() => {
    timedOut = true;
    try {
      seen = doing([...processGroup(pgid), ...familyOf(pgid)]);
    } finally {
      killIfThere(-pgid);
    }
  }, limit);
  const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve([code, signal]));
  });
  const closed = new Promise((resolve) => child.on('close', resolve));
  try {
    // A failure of `meanwhile` must not leave the program behind: it is killed below.
    const [[code, signal]] = await Promise.all([ended, options.meanwhile?.(child)]);
    const survivors = await sweep(pgid);
    await closed;
    if (timedOut) output.stderr = hung(limit, seen, output);
    return { code, signal, ...output, timedOut, survivors };
  } finally {
    clearTimeout(timer);
    if (processGroup(pgid).length > 0) killIfThere(-pgid);
  }
}

/** Runs a fixture that must end well, with nothing on stderr; returns what it printed. */
export async function succeeds(
  name: string,
  args: string[] = [],
  options: RunOptions = {},
): Promise<string> {
  const outcome = await run(name, args, options);
  const { stdout, ...rest } = outcome;
  const printed = `printed:\n${tail(stdout)}`;
  assert.deepEqual(
    rest,
    { code: 0, signal: null, stderr: '', timedOut: false, survivors: [] },
    `${name} ${args.join(' ')} ${rest.timedOut ? rest.stderr : printed}`,
  );
  return stdout;
}

/** Like {@link succeeds}, for a fixture that prints one JSON value. */
export async function reports<T>(
  name: string,
  args: string[] = [],
  options: RunOptions = {},
): Promise<T> {
  return JSON.parse(await succeeds(name, args, options)) as T;
}
