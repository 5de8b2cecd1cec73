// Zombies that nobody waits for: they come to process 1, and to subreapers, when their parents have ended.

import { constants } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { expectNode } from '../addon/host.js';
import { atFork, inChildren } from '../atfork/hooks.js';
import { registry } from '../atfork/registry.js';
import { systemError, workerUnsupported } from '../base/errors.js';
import { clearTimeout, setTimeout } from '../base/timers.js';
import { waitpid } from '../posix/wait.js';
import { SignalFlag } from '../signal/flag.js';
import { procChildren, procStat } from '../system/procfs.js';
import { childProcessIds } from './children.js';
import { liveWorkers } from './workers.js';

/**
 * How long a zombie must have been one: whoever waits for it in a way that cannot be seen (an addon's thread,
 * a Worker's child_process) does so at once. A Worker may be busy.
 */
const GRACE_MS = 1000;
const GRACE_BESIDE_WORKERS_MS = 10_000;

/**
 * What tells a process for good: its pid, and when it began (field 22 of /proc/PID/stat). hidepid= hides those of other
 * users: what is nobody's is waited for without that, as such a wait does nothing to a process that goes on.
 */
function zombie(pid: number): string | undefined {
  const stat = procStat(pid);
  if (stat === undefined) return `${pid}`;
  return stat?.fields[0] === 'Z' ? `${pid} ${stat.fields[19]}` : undefined;
}

/** Children that somebody is known to wait for, or may. */
export function expected(): Set<number> {
  const waits = [...registry.waits].map(({ pid }) => pid);
  return new Set([...childProcessIds(), ...registry.children, ...waits]);
}

// In a copy of the process they are the parent's.
inChildren((rehearsal) => {
  if (!rehearsal) registry.children.clear();
});

/** Looks when a child has ended, and again when what it has seen may be reaped. */
class Reaper implements Disposable {
  readonly #flag = new SignalFlag('SIGCHLD');
  readonly #hook = atFork({ child: () => this[Symbol.dispose]() });
  /** Zombies of nobody, and when they were first seen. */
  #seen = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #disposed = false;

  constructor() {
    this.#flag.unref();
    this.#listen().catch(() => {});
    this.#look();
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    clearTimeout(this.#timer);
    this.#hook[Symbol.dispose]();
    this.#flag[Symbol.dispose]();
  }

  async #listen(): Promise<void> {
    for await (const _ of this.#flag) if (!this.#disposed) this.#look();
  }

  #look(): void {
    let children: number[];
    try {
      children = procChildren('self');
    } catch {
      return; // no descriptor left, or a thread that has just ended: the next one tells again
    }
    this.#reap(children);
  }

  #reap(children: readonly number[]): void {
    const now = performance.now();
    const grace = liveWorkers() > 0 ? GRACE_BESIDE_WORKERS_MS : GRACE_MS;
    const known = expected();
    const seen = new Map<string, number>();
    for (const pid of children) {
      const key = known.has(pid) ? undefined : zombie(pid);
      if (key === undefined) continue;
      const since = this.#seen.get(key) ?? now;
      if (now - since < grace || !reaped(pid)) seen.set(key, since);
    }
    this.#seen = seen;
    clearTimeout(this.#timer);
    if (seen.size > 0) this.#timer = setTimeout(() => this.#look(), grace).unref();
  }
}

/** Takes it out of the process table; false if it has a tracer, who is told first. */
function reaped(pid: number): boolean {
  try {
    return waitpid(pid, { noHang: true }) !== null;
  } catch {
    return true; // somebody else has
  }
}

/**
 * Waits for orphans that have become children of this process. Process 1 of a container, and a subreaper ({@link
 * setChildSubreaper}), must do so; otherwise they stay in the process table as zombies.
 *
 * Children of `node:child_process`, of {@link fork}, of {@link prefork}, and those that {@link waitpidAsync} waits
 * for are left alone. Others are reaped when they have been zombies for a second, or for ten while Worker threads
 * run: the children of a Worker look like orphans. It does not keep the process alive, and ends in forks.
 *
 * @returns a Disposable that ends it.
 * @throws `ENOTSUP` (syscall `waitpid`) where the children of a process cannot be listed: no /proc or one of another
 *   PID namespace, a Linux without CONFIG_PROC_CHILDREN, FreeBSD. `ERR_WORKER_UNSUPPORTED_OPERATION` in a Worker.
 *   `EMFILE`, `ENFILE` (syscall `pipe2`).
 *
 * Linux. Source: waitpid(2), NOTES; PR_SET_CHILD_SUBREAPER(2const); tini, dumb-init.
 */
export function reapOrphans(): Disposable {
  if (!isMainThread) throw workerUnsupported('reapOrphans()');
  expectNode('reapOrphans()', 'waitpid');
  try {
    procChildren('self');
  } catch {
    const detail = 'the children of a process cannot be listed here';
    throw systemError(-constants.errno.ENOTSUP, 'waitpid', { detail });
  }
  return new Reaper();
}
