// Reaps orphaned zombies: when a parent ends, its children move to process 1 or to a subreaper.

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
 * How long a zombie must exist before it is reaped. Waits that are not visible here (an addon's
 * thread, a Worker's child_process) normally reap it at once, but a Worker may be busy.
 */
const GRACE_MS = 1000;
const GRACE_BESIDE_WORKERS_MS = 10_000;

/**
 * Identifies a zombie: its pid and start time (field 22 of /proc/PID/stat). hidepid= hides the
 * start times of other users' processes. Then an unexpected child is reaped without it, because
 * such a wait does not affect a running process.
 */
function zombie(pid: number): string | undefined {
  const stat = procStat(pid);
  if (stat === undefined) return `${pid}`;
  return stat?.fields[0] === 'Z' ? `${pid} ${stat.fields[19]}` : undefined;
}

/** Children that other code waits for, or may wait for. */
export function expected(): Set<number> {
  const waits = [...registry.waits].map(({ pid }) => pid);
  return new Set([...childProcessIds(), ...registry.children, ...waits]);
}

// In a forked process the children belong to the parent.
inChildren((rehearsal) => {
  if (!rehearsal) registry.children.clear();
});

/** Looks for zombies when a child has ended, and again when the grace time of those is over. */
class Reaper implements Disposable {
  readonly #flag = new SignalFlag('SIGCHLD');
  readonly #hook = atFork({ child: () => this[Symbol.dispose]() });
  /** Unexpected zombies, and when they were first seen. */
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
      return; // no descriptor left, or a thread just ended: the next child triggers a look
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

/** Reaps the zombie; false if it has a tracer, which gets the status first. */
function reaped(pid: number): boolean {
  try {
    return waitpid(pid, { noHang: true }) !== null;
  } catch {
    return true; // other code has reaped it
  }
}

/**
 * Reaps orphans that have become children of this process. Process 1 of a container, and a
 * subreaper ({@link setChildSubreaper}), must do this; otherwise ended orphans stay in the process
 * table as zombies.
 *
 * It does not touch children of `node:child_process`, of {@link fork}, of {@link prefork}, and
 * those that {@link waitpidAsync} waits for. It reaps others after they have been zombies for a
 * second, or for ten seconds while Worker threads run, because the children of a Worker look like
 * orphans. It does not keep the process alive, and does not continue in forks.
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
