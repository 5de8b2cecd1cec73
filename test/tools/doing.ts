// What processes are doing: for the message of a test whose program does not end.
import { readFileSync } from 'node:fs';
import { tail } from './failures.js';
import { marked } from './marked.js';
import type { Output } from './output.js';
import { childrenOf, threadIds } from './proc.js';

/** A file of /proc, which may be gone or closed to us. */
function text(path: string): string {
  try {
    return readFileSync(`/proc/${path}`, 'latin1').replaceAll('\0', ' ').trim();
  } catch (error) {
    return `(${(error as NodeJS.ErrnoException).code})`;
  }
}

function threads(pid: number): number[] {
  try {
    return threadIds(pid);
  } catch {
    return [];
  }
}

/** All descendants of a process. */
export function familyOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...familyOf(child)]);
}

/**
 * For each process its parent, signals and command; for each thread its name, state, wchan, and the
 * system call with two arguments. Short, as the report of a failure is cut.
 */
export function doing(pids: readonly number[]): string {
  const thread = (pid: number, tid: number) => {
    const at = (name: string) => text(`${pid}/task/${tid}/${name}`);
    const state = /^State:\s*(\S)/m.exec(at('status'))?.[1] ?? '?';
    const call = at('syscall').split(' ').slice(0, 3).join(' ');
    return `  ${tid} ${at('comm')} ${state} wchan ${at('wchan')} syscall ${call}`;
  };
  const process = (pid: number) => {
    const about = text(`${pid}/status`).match(/^(?:PPid|SigPnd|ShdPnd|SigBlk|SigIgn|SigCgt):.*$/gm);
    const told = (about ?? []).filter((line) => !/\t0+$/.test(line)).join(' ');
    const command = text(`${pid}/cmdline`).slice(0, 200);
    const head = `${pid} ${told.replaceAll(/:\s+0*/g, ' ')} ${command}`;
    return [head, ...threads(pid).map((tid) => thread(pid, tid))].join('\n');
  };
  return [...new Set(pids)].map(process).join('\n');
}

/** The message about a program that has not ended in time. */
export function hung(milliseconds: number, state: string, { stdout, stderr }: Output): string {
  return `not ended within ${milliseconds} ms\n${state}\nstdout:\n${tail(stdout)}\nstderr:\n${tail(stderr)}`;
}

/**
 * What spawnSync() has left running: at its limit it kills the program alone, before anyone can look,
 * but not the program's own children. They have the test file's mark (sweep.ts).
 */
export function left(): string {
  const mark = process.env.DAEMONKIT_TEST_FILE;
  return mark === undefined ? '' : doing(marked(`DAEMONKIT_TEST_FILE=${mark}`));
}
