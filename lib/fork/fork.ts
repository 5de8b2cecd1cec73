// fork(2) with a working child: see docs/live-fork.md.

import { constants } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { expectNode, noNode } from '../addon/host.js';
import { type Forked, native } from '../addon/native.js';
import { rehearseChildHooks, runChildHooks, withForkHooks } from '../atfork/hooks.js';
import { registry } from '../atfork/registry.js';
import { signalIn } from '../base/abort.js';
import { systemError, workerUnsupported } from '../base/errors.js';
import { rehearsal } from '../base/rehearsed.js';
import { sleep } from '../base/timers.js';
import { boolean, integer, options as optionsObject } from '../base/validate.js';
import { dropChildren, holdChildren } from './children.js';
import { forkLimits } from './limits.js';
import { publishFork } from './published.js';
import { expectHeadroom, refreshChild, refreshObstacles } from './refresh.js';
import { awaitStartup } from './startup.js';
import { anyWorkers, liveWorkers } from './workers.js';

const now = performance.now.bind(performance);

/** @internal Milliseconds; {@link ForkOptions.timeout}. */
export const TIMEOUT = 10_000;

/** Options of {@link fork}. */
export interface ForkOptions {
  /**
   * Fork although `Worker` threads are running. They continue in both processes, in the middle of
   * their work. Default: false, and fork() throws.
   */
  workers?: boolean | undefined;
  /**
   * How long the call may take until the child runs, in milliseconds. If a thread does not stop
   * within a fifth of this time, but at least two seconds, the fork fails. Default: 10,000.
   */
  timeout?: number | undefined;
}

/** The result of {@link forkSupport}. */
export interface ForkSupport {
  /** Whether fork() can work in this process now. */
  live: boolean;
  /** If not, all reasons as text. */
  reasons: string[];
  /** Known defects of a child, as text. They do not prevent a fork. */
  limits: string[];
}

const { EAGAIN, ENOTSUP } = constants.errno;

/** @internal The reasons of Node's permission model against child processes. */
export function permissionObstacles(): string[] {
  const permission = (process as { permission?: { has(scope: string): boolean } }).permission;
  if (permission?.has('child') !== false) return [];
  return ['the permission model does not allow child processes (--allow-child-process)'];
}

/** Obstacles that only JavaScript can detect. */
function scriptObstacles(workers: boolean, option = 'workers'): string[] {
  if (noNode !== undefined) return [];
  const reasons = [...permissionObstacles(), ...refreshObstacles()];
  if (!workers && liveWorkers() > 0) {
    reasons.push(`Worker threads are running (end them first, or pass { ${option}: true })`);
  }
  return reasons;
}

const nativeObstacles = () => (noNode === undefined ? native.forkObstacles() : [noNode]);

/**
 * Returns whether {@link fork} can work in this process now.
 *
 * fork() needs Linux on x86-64 or arm64 (glibc or musl), a readable /proc of the process's own PID
 * namespace, and no running Worker thread. The call makes no child and stops no thread. The result
 * may change when the process changes (a chroot without /proc, a new Worker, an io_uring ring of an
 * addon).
 *
 * @returns `live`, and if that is false the `reasons` as text; fork() throws `ENOTSUP` with the
 *   same text. `limits` lists known defects of a child, such as two profiles in one file.
 * @throws nothing.
 *
 * Platform: without live fork the answer is `{ live: false }` with the reason. Source: daemonkit's own;
 * docs/live-fork.md.
 */
export function forkSupport(): ForkSupport {
  const reasons = isMainThread ? scriptObstacles(false) : ['this is a Worker thread'];
  reasons.push(...nativeObstacles());
  const limits = noNode === undefined ? forkLimits() : [];
  return { live: reasons.length === 0, reasons, limits };
}

/**
 * Makes a child process that is a copy of the caller, like fork(2). The call returns in the child
 * too, with all of the parent's memory, and the child is a fully working Node (JIT, garbage
 * collector, timers, fs, http, child_process, Workers, process.exit).
 *
 * As after fork(2), parent and child share files, sockets, terminals and pipes to other processes.
 * A server's connections are open in both: the process that should not serve them must close them.
 * Each process has its own event loop, thread pool and signal handling. Requests that were in the
 * thread pool complete in both. `process.pid`, `crypto` and `Math.random` differ in the child
 * (`Math.random` of other `vm` contexts does not). In the child, ChildProcess objects of the parent
 * emit no events and cannot send signals. An IPC channel (`process.send`) and a debugger's
 * connection stay with the parent.
 *
 * @param options - see {@link ForkOptions}.
 * @returns 0 in the child; in the parent the child's pid (wait for it with `waitpid`).
 * @throws `EAGAIN` (syscall `clone`) at a limit on processes (RLIMIT_NPROC, pids cgroup; the
 *   child's threads count too), `EAGAIN` (syscall `fork`) if a thread did not stop within
 *   `timeout`, `ENOMEM`, `EMFILE`/`ENFILE` (the call needs eight free descriptors in the parent),
 *   `ENOSPC` (epoll or inotify watch limits of the user), `ENOTSUP` (syscall `fork`) with the words
 *   of {@link forkSupport}. `ERR_WORKER_UNSUPPORTED_OPERATION` in a Worker.
 *   `TypeError`/`RangeError` for wrong options. After these errors the parent is unchanged and
 *   there is no child. Errors of {@link atFork} hooks are thrown too: that of a `parent` hook with
 *   the child's `pid`, that of a `child` hook in the child, with the `pid` 0. In these two cases
 *   there is a child.
 *
 * Platform: Linux on x86-64 and arm64; elsewhere it throws `ENOTSUP`. Source: fork(2), POSIX.1; forkall(2) of
 * Solaris, which has the same semantics for threads.
 */
export function fork(options?: ForkOptions): number {
  const given = optionsObject<ForkOptions>(options, ['workers', 'timeout']);
  const workers = boolean(given.workers ?? false, 'options.workers');
  const timeout = integer(given.timeout ?? TIMEOUT, 'options.timeout', 1);
  if (!isMainThread) throw workerUnsupported('fork()');
  return forkBy(() => native.fork(timeout, anyWorkers()), workers);
}

/**
 * @internal The common part of every fork: obstacles, hooks, and the child's refresh.
 *
 * @param moved - the child replaces the parent and takes over its child processes. The parent runs
 *   nothing more and soon ends by _exit().
 */
export function forkBy(make: () => Forked, workers: boolean, moved = false): number {
  expectNode('fork()', 'fork');
  refuse(scriptObstacles(workers));
  expectHeadroom();
  rehearse();
  const parent = native.getpid();
  const moving = moved ? holdChildren() : undefined;
  let pid = -1;
  try {
    pid = withForkHooks(
      () => makeChild(make),
      (made) => {
        registry.children.add(made);
        publishFork(parent, made);
      },
    );
  } finally {
    if (pid === -1 && moving !== undefined) dropChildren(moving);
  }
  if (pid === 0) {
    refreshChild(moving);
    publishFork(parent, pid);
    runChildHooks();
  }
  return pid;
}

/**
 * It takes ten microseconds in a loop of forks, but up to a millisecond in a process that has slept,
 * where none of it is in a cache. An error that happens again in the child ends the child.
 */
const rehearse = rehearsal(() => {
  refreshChild(undefined, true);
  publishFork(0, 0, true);
  rehearseChildHooks();
});

function refuse(reasons: readonly string[]): void {
  if (reasons.length > 0) throw systemError(-ENOTSUP, 'fork', { detail: reasons.join('; ') });
}

/**
 * @internal Throws ENOTSUP with the reasons of {@link forkSupport} if there are any.
 *
 * @param option - the name of the caller's option that allows Worker threads.
 */
export function expectForkSupport(options: ForkOptions = {}, option?: string): void {
  refuse(forkObstacles(options, option));
}

/** @internal The reasons against a fork with these options. */
export function forkObstacles({ workers = false }: ForkOptions = {}, option?: string): string[] {
  return [...scriptObstacles(workers, option), ...nativeObstacles()];
}

function makeChild(make: () => Forked): number {
  awaitStartup();
  const made = make();
  if (typeof made === 'number') return made;
  const { errno, syscall = 'fork', reason } = made;
  throw systemError(errno, syscall, reason === undefined ? {} : { detail: reason });
}

/** Options of {@link quiesce}. */
export interface QuiesceOptions {
  /** How long to wait, in milliseconds. Default: 10,000. */
  timeout?: number | undefined;
  /** Ends the wait when it aborts. Default: none. */
  signal?: AbortSignal | undefined;
}

/**
 * Waits until the thread pool is idle. A {@link fork} right after it copies no pending request.
 * Such a request would complete in both processes, so that a write would happen twice.
 *
 * The callbacks of finished requests may still be pending, in both processes. A request that waits
 * inside a system call, such as a name look-up or a read from a FIFO, counts as idle.
 *
 * @param options - see {@link QuiesceOptions}.
 * @returns a promise that resolves when every other thread of the process waits for work.
 * @throws (rejects with) `EAGAIN` (syscall `fork`) if the pool is not idle within `timeout`;
 *   `ENOTSUP` (syscall `fork`) at once where there is no live fork; an `AbortError` (`ABORT_ERR`,
 *   with the signal's reason as `cause`) if aborted. `TypeError`/`RangeError` for wrong options.
 *
 * Source: forkall(2) of Solaris, which leaves this to the program. Platform: as {@link fork}.
 */
export async function quiesce(options?: QuiesceOptions): Promise<void> {
  const given = optionsObject<QuiesceOptions>(options, ['timeout', 'signal']);
  const timeout = integer(given.timeout ?? 10_000, 'options.timeout', 1);
  const signal = signalIn(given);
  if (!isMainThread) throw workerUnsupported('quiesce()');
  expectNode('quiesce()', 'fork');
  refuse(nativeObstacles());
  const deadline = now() + timeout;
  for (let delay = 1; !native.quiesce(0); delay = Math.min(2 * delay, 50)) {
    if (now() > deadline) {
      throw systemError(-EAGAIN, 'fork', { detail: 'the thread pool is still busy' });
    }
    await sleep(delay, undefined, signal && { signal });
  }
}
