// strace(1) on a running process: it makes system calls fail, or kills their process.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { status, threadIds } from './proc.js';

const isTraced = (pid: number, tid: number) => /^[1-9]/.test(status(pid, tid).TracerPid ?? '0');

async function start(options: string[], pid: number, threads: () => number[]) {
  const strace = spawn('strace', ['-qq', ...options, `-p${pid}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaint = '';
  strace.stderr?.on('data', (text) => {
    complaint += text;
  });
  for (let tries = 0; !threads().every((tid) => isTraced(pid, tid)); tries++) {
    // Without a word it ends with whom it has killed already.
    if (strace.exitCode !== null && complaint === '') break;
    assert.ok(tries < 2000 && strace.exitCode === null, `strace did not attach: ${complaint}`);
    await sleep(5);
  }
  return strace;
}

/** Attaches to all threads of a process; those that it makes, and its children, are followed. */
export function attach(pid: number, ...options: string[]): Promise<ChildProcess> {
  return start(['-f', ...options], pid, () => threadIds(pid));
}

/** Attaches only to the main thread, and does not follow children. */
export function attachMain(pid: number, ...options: string[]): Promise<ChildProcess> {
  return start(options, pid, () => [pid]);
}

/**
 * Lets all tracees go on alone. strace waits for each to stop, and may wait for ever for one that has
 * just ended (6.1, a thread that is a zombie before its process is); its own end sets them free too.
 */
export async function detach(strace: ChildProcess): Promise<void> {
  if (strace.exitCode !== null || strace.signalCode !== null) return;
  const ended = once(strace, 'exit');
  strace.kill('SIGTERM');
  const late = setTimeout(() => strace.kill('SIGKILL'), 5000);
  await ended;
  clearTimeout(late);
}

/** What every call of the name, with this path only if there is one, is to do: the Nth of each thread, once. */
export const inject = (call: string, what: string, when = 1, path?: string) => [
  '-o/dev/null',
  `-einject=${call}:${what}:when=${when}`,
  ...(path === undefined ? [] : [`-P${path}`]),
];

/** One place where a call can be made to fail: its name, and the how manieth it is in its thread. */
export interface Place {
  call: string;
  when: number;
  /** Of those calls only that name this file in the directory of the program. */
  file?: string | undefined;
}

/**
 * Calls that cannot fail with the arguments they get, or do what they shall although they fail: Linux's
 * close(2) frees the number before it can be interrupted. An injected failure is one of a call not made.
 */
const CANNOT_FAIL =
  /^(exit|exit_group|restart_syscall|sched_yield|rt_sigreturn|rt_sigprocmask|rt_sigaction|close|munmap|getpid|gettid|getppid|get[e]?[ug]id|set_robust_list|rseq|arch_prctl|umask)$/;

/**
 * Calls of V8 and libuv, which end the process by abort(3) when they fail: neither can do without its
 * memory, its locks, its sleep and its wake-ups.
 */
const RUNTIMES = /^(futex|brk|mprotect|execve|epoll_p?wait2?|write|nanosleep|clock_nanosleep)$/;

/** The places in a trace by `strace -o`, from a first getppid(2) to the last, or to the end. */
export function places(trace: string): Place[] {
  const counts = new Map<string, number>();
  const found = new Map<string, Place>();
  const lines = readFileSync(trace, 'utf8').split('\n');
  const marks = lines.flatMap((line, at) => (/^(\d+ +)?getppid\(/.test(line) ? [at] : []));
  const [first = 0, last = lines.length] = [marks[0], marks.length > 1 ? marks.at(-1) : undefined];
  for (const [at, line] of lines.entries()) {
    const [, thread = '', call = ''] = /^(?:(\d+) +)?(\w+)\(/.exec(line) ?? [];
    if (call === '' || CANNOT_FAIL.test(call) || RUNTIMES.test(call)) continue;
    const when = (counts.get(`${thread} ${call}`) ?? 0) + 1;
    counts.set(`${thread} ${call}`, when);
    if (at > first && at < last) found.set(`${call} ${when}`, { call, when });
  }
  return [...found.values()];
}

/** Of each call so many places at most: all of the first ones, some of the rest, the last. */
export function sample(all: Place[], most: number): Place[] {
  const byCall = new Map<string, Place[]>();
  for (const place of all.toSorted((a, b) => a.when - b.when)) {
    byCall.set(place.call, [...(byCall.get(place.call) ?? []), place]);
  }
  return [...byCall.values()].flatMap((list) => {
    if (list.length <= most) return list;
    const step = (list.length - 1) / Math.max(most - 1, 1);
    return Array.from({ length: most }, (_, i) => list[Math.round(i * step)] as Place);
  });
}

/** A plausible errno for a call. */
export function errorOf(call: string): string {
  const known: Record<string, string> = {
    clone: 'EAGAIN',
    clone3: 'EAGAIN',
    fork: 'EAGAIN',
    open: 'EMFILE',
    openat: 'EMFILE',
    pipe2: 'EMFILE',
    socketpair: 'EMFILE',
    eventfd2: 'EMFILE',
    epoll_create1: 'EMFILE',
    epoll_ctl: 'ENOSPC',
    write: 'ENOSPC',
    pwrite64: 'ENOSPC',
    ftruncate: 'EIO',
    read: 'EIO',
    flock: 'ENOLCK',
    dup3: 'EBUSY',
    dup2: 'EBUSY',
    close: 'EIO',
  };
  return known[call] ?? (/^(set|ch|kill|pidfd|prctl|rt_|tgkill)/.test(call) ? 'EPERM' : 'ENOMEM');
}
