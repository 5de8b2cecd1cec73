// Many cases in one process: the fixtures of test/peers, whose cases are too small for a process each.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { fork, setChildSubreaper, waitpid } from 'daemonkit';
import { childrenOf } from './proc.js';

/** What became of a case. */
export interface Played {
  name: string;
  /** What it threw; absent if all was well. */
  problem?: string;
}

/** Runs every case in turn, and prints a line of JSON for each. */
export async function playAll(cases: Record<string, () => unknown>): Promise<void> {
  const owner = process.pid;
  for (const [name, body] of Object.entries(cases)) {
    const played: Played = { name };
    try {
      await body();
      if (childrenOf(owner).length > 0) throw new Error('it leaves children behind');
    } catch (error) {
      played.problem = inspect(error);
    }
    if (process.pid !== owner) {
      writeSync(2, `a child came back from ${name}: ${played.problem}\n`);
      process.exit(1);
    }
    writeSync(1, `${JSON.stringify(played)}\n`);
  }
}

/** Polls until `probe` is true; the test's own deadline ends a wait that is in vain. */
export async function until(probe: () => boolean): Promise<void> {
  while (!probe()) await sleep(2);
}

/** A directory for the time that `body` needs. */
export async function inFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const owner = process.pid;
  const folder = await mkdtemp(join(tmpdir(), 'daemonkit-'));
  try {
    return await body(folder);
  } finally {
    if (process.pid === owner) await rm(folder, { recursive: true });
  }
}

/** What a {@link program} and its forks write on. */
export interface Paper {
  print(line: string): void;
  /** Whether the line was printed. */
  has(line: string): boolean;
}

async function reapAll(): Promise<void> {
  for (;;) {
    try {
      if (waitpid(-1, { noHang: true }) === null) await sleep(2);
    } catch {
      return; // ECHILD: that was the last one
    }
  }
}

/**
 * Runs `body` as the main program of a process of its own. Each of its forks ends as the program
 * does: where the body ends, by process.exit().
 *
 * @returns what all of them have printed, sorted, when the last one has ended.
 */
export function program(body: (paper: Paper) => unknown): Promise<string[]> {
  return inFolder(async (folder) => {
    const path = join(folder, 'paper');
    const fd = openSync(path, 'a');
    const lines = () => readFileSync(path, 'utf8').split('\n').filter(Boolean);
    // Orphans come here too, so that no process is missed.
    setChildSubreaper(true);
    if (fork() === 0) {
      try {
        await body({
          print: (line) => void writeSync(fd, `${line}\n`),
          has: (line) => lines().includes(line),
        });
      } catch (error) {
        writeSync(fd, `died: ${(error as Error).message}\n`);
      }
      process.exit();
    }
    await reapAll();
    closeSync(fd);
    return lines().sort();
  });
}
