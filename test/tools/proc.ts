// A process's state in /proc: the tests' independent source.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The text of a file of /proc/PID, or undefined if the process or thread has ended. */
function text(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}

/** /proc/PID/status as a map; `{}` if the process is gone. */
export function status(pid: number | 'self', tid?: number): Record<string, string> {
  const lines = text(`/proc/${pid}/${tid === undefined ? '' : `task/${tid}/`}status`)?.split('\n');
  return Object.fromEntries((lines ?? []).map((line) => line.split(/:\s*/, 2)));
}

/** Every signal is held back, but those that cannot be: KILL, STOP, and libc's 32 and 33. */
const allBlocked = (mask = '0') => (BigInt(`0x${mask}`) | 0x1_8004_0100n) === 2n ** 64n - 1n;

/**
 * fork() parks threads by a signal of libc's own, 33 on glibc and 34 on musl. Its handler stays while the signal may be on
 * its way to a thread. glibc has a handler there anyway; musl has none.
 */
const PARKING = existsSync('/etc/alpine-release') ? 1n << 33n : 0n;
const others = (mask = '0') =>
  (BigInt(`0x${mask}`) & ~PARKING).toString(16).padStart(mask.length, '0');

/**
 * The masks that fork() must leave as it found them. Another process may be in the middle of making
 * a thread, of uv_signal_start() or of a fork, where all signals are blocked: that passes.
 */
export function signals(pid: number | 'self') {
  const deadline = Date.now() + 2000;
  for (;;) {
    const { SigBlk, SigIgn, SigCgt } = status(pid);
    if (!allBlocked(SigBlk) || Date.now() > deadline) {
      return { SigBlk, SigIgn, SigCgt: SigCgt && others(SigCgt) };
    }
  }
}

/** Resident memory in KiB. */
export function residentKiB(pid: number | 'self'): number {
  return Number.parseInt(status(pid).VmRSS ?? '0', 10);
}

export function threadIds(pid: number | 'self'): number[] {
  return readdirSync(`/proc/${pid}/task`).map(Number);
}

/** The names of all threads, sorted: the same set in a process and in its copy. */
export function threadNames(pid: number | 'self'): string[] {
  return threadIds(pid)
    .map((tid) => text(`/proc/${pid}/task/${tid}/comm`)?.trim() ?? '')
    .sort();
}

/** Descriptor numbers and what they lead to, without inode numbers (a private twin has its own). */
export function descriptors(pid: number | 'self'): Record<number, string> {
  const table: Record<number, string> = {};
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      table[Number(fd)] = readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      // The descriptor of this very listing is gone already.
    }
  }
  return table;
}

/**
 * Whether a process has closed its files, locks and all: each of its threads is a zombie or gone. Its
 * memory, and with that /proc/PID/environ, goes earlier (do_exit() in Linux's kernel/exit.c).
 */
export function hasEnded(pid: number): boolean {
  try {
    return threadIds(pid).every((tid) => /^[ZX]|^$/.test(status(pid, tid).State ?? ''));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return true;
    throw error;
  }
}

/** Fields of /proc/PID/stat from the third on: state, ppid, pgrp, session. */
export function stat(pid: number): string[] {
  const line = text(`/proc/${pid}/stat`) ?? ') gone';
  return line.slice(line.lastIndexOf(')') + 2).split(' ');
}

/**
 * Whether the process that has this number now is there, as a zombie too: the number may become
 * another's, which began later.
 */
export function presence(pid: number): () => boolean {
  const began = stat(pid)[19];
  return () => began !== undefined && stat(pid)[19] === began;
}

/** Kills a process, or by a negative number a group, that may have ended since it was looked up. */
export function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** All processes of a process group, zombies too: what a test must not leave behind. */
export function processGroup(pgid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(stat(Number(name))[2]) === pgid)
    .map(Number);
}

/** Those of a process group that run: a zombie is for its parent to reap, an orphan for process 1. */
export function runningIn(pgid: number): number[] {
  return processGroup(pgid).filter((pid) => stat(pid)[0] !== 'Z');
}

/** The parent of an orphan here: process 1, or a subreaper that has started the tests. */
export function adopter(): number {
  const parent = 'cut -d " " -f 4 /proc/$$/stat';
  const orphan = `while test $(${parent}) = $0; do sleep 0.01; done; ${parent}`;
  const script = 'sh -c "$1" $$ &';
  return Number(spawnSync('sh', ['-c', script, 'sh', orphan], { encoding: 'utf8' }).stdout);
}

/** The children of a process, zombies too. */
export function childrenOf(ppid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(stat(Number(name))[1]) === ppid)
    .map(Number);
}
