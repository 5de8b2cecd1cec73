// Whatever a test file starts carries the file's mark in its environment, and what is left when its tests
// have ended, well or not, is killed: sessions, groups and parents of its own do not save it.

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { marked } from './marked.js';
import { killIfThere } from './proc.js';

/** The command line of a process, for a message. */
export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim().slice(0, 300);
  } catch {
    return '(gone)';
  }
}

/** Kills all processes with this mark, including those that they start in between; returns them. */
export async function sweep(mark: string, patience = 0): Promise<string[]> {
  // A process that was asked to end may need a moment.
  for (const end = Date.now() + patience; Date.now() < end; await sleep(20)) {
    if (marked(mark).length === 0) return [];
  }
  const killed = new Map<number, string>();
  for (let left = marked(mark); left.length > 0; left = marked(mark)) {
    for (const pid of left) {
      if (!killed.has(pid)) killed.set(pid, commandOf(pid));
      killIfThere(pid);
    }
    await sleep(5);
  }
  return [...killed].map(([pid, command]) => `${pid} ${command}`);
}

// Not for the tools that are programs of their own: a hook would make tests of them.
if (process.argv[1]?.endsWith('.test.js')) {
  const name = 'DAEMONKIT_TEST_FILE';
  const id = randomUUID();
  // Children have it by inheritance, or by a copy of process.env that a test has made.
  process.env[name] = id;
  const look = async () => {
    const left = await sweep(`${name}=${id}`, Number(process.env.DAEMONKIT_TEST_PATIENCE ?? 5000));
    if (left.length === 0) return;
    const file = basename(process.argv[1] ?? '');
    throw new Error(`left behind by ${file}, and killed:\n${left.join('\n')}`);
  };
  // Hooks run in their order: this one after those that the file has when its body has run.
  queueMicrotask(() => after(look));
}
