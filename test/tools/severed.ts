// Threads of a library that wait for their peers, and forks in the middle of it.
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { _exit, fork, waitpidAsync } from 'daemonkit';

interface Talkers {
  addresses(n: number): number;
  talk(mode: number, where: string): number;
  port(talker: number): number;
  connection(talker: number): number;
  wake(talker: number): number;
  received(talker: number): number;
  lost(talker: number): number;
  wakes(talker: number): number;
  ended(talker: number): number;
}

/** Threads that wait in ways of their own. */
export const native = createRequire(import.meta.url)(
  '../../../test/native/build/Release/test_talker.node',
) as Talkers;

/** Polls in the event loop; throws after half a minute. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not in half a minute: ${what}`);
    await sleep(1);
  }
}

/** Forks; the child does `body` and ends; it must have ended well. In the child it never returns. */
export async function inChild(body: () => unknown, options = {}): Promise<void> {
  const pid = fork(options);
  if (pid === 0) {
    try {
      await body();
    } catch (error) {
      process.stderr.write(`in the child: ${(error as Error).stack}\n`);
      _exit(1);
    }
    process.exit(0);
  }
  const late = setTimeout(() => process.kill(pid, 'SIGKILL'), 60_000);
  const { exitCode, signal } = await waitpidAsync(pid);
  clearTimeout(late);
  if (exitCode !== 0) throw new Error(`the child ended with ${signal ?? exitCode}`);
}

/** How often a scenario forks: its first argument. */
export const FORKS = Number(process.argv[3] ?? 40);
