// Making and reaping children in fixtures.
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { fork, type WaitResult, waitpid } from 'daemonkit';

/**
 * Waits for a child without any means of the event loop but a timer, so that it does not depend on
 * what is being tested. In a later child it never resolves: the child is not that one's parent.
 */
export async function reap(pid: number): Promise<WaitResult> {
  const waiter = process.pid;
  for (;;) {
    const ended = waitpid(pid, { noHang: true });
    if (ended !== null) return ended;
    await new Promise((resolve) => setTimeout(resolve, 2));
    if (process.pid !== waiter) await new Promise(() => {});
  }
}

/** Ends a child that found something wrong, with its words on stderr and exit code 1. */
function complain(error: unknown): never {
  process.stderr.write(`in the child: ${inspect(error)}\n`);
  process.exit(1);
}

/** Runs `body` in a child of fork(), which ends with process.exit(0), or 1 if it throws. */
export function spawnChild(body: () => unknown): number {
  const pid = fork();
  if (pid === 0)
    Promise.resolve()
      .then(body)
      .then(() => process.exit(0), complain);
  return pid;
}

/** Runs `body` in a child and waits for it; throws unless it ended well. In the child: never. */
export async function inChild(body: () => unknown): Promise<void> {
  const pid = spawnChild(body);
  if (pid === 0) await new Promise(() => {});
  const { exitCode, signal } = await reap(pid);
  if (exitCode !== 0) throw new Error(`the child ended with ${signal ?? exitCode}`);
}

/**
 * Looks at a child from its parent, once the child's JavaScript runs (while fork() is still at work
 * there its signals are blocked), and kills it.
 */
export async function lookAtChild<T>(look: (pid: number) => T | Promise<T>): Promise<T> {
  const sign = join(tmpdir(), `daemonkit-ready-${process.pid}`);
  const pid = spawnChild(() => {
    mkdirSync(sign); // takes no descriptor that could be seen
    return new Promise((resolve) => setTimeout(resolve, 60_000));
  });
  if (pid === 0) await new Promise(() => {});
  try {
    while (!existsSync(sign)) await new Promise((resolve) => setTimeout(resolve, 2));
    return await look(pid);
  } finally {
    rmSync(sign, { force: true, recursive: true });
    process.kill(pid, 'SIGKILL');
    await reap(pid);
  }
}

/** Plays the scenario that the command line names. */
export async function play(scenarios: Record<string, () => unknown>): Promise<void> {
  const scenario = scenarios[process.argv[2] ?? ''];
  if (scenario === undefined) throw new Error(`scenarios: ${Object.keys(scenarios).join(' ')}`);
  await scenario();
}
