// Ends what is left of a failed new program: the program, its workers, and what these have started.
// This process is a subreaper during that time, so it gets the orphans; their initial environment
// distinguishes them from others.

import { native } from '../../addon/native.js';
import { clock } from '../../base/alarm.js';
import { setTimeout, sleep } from '../../base/timers.js';
import { expected, reapOrphans } from '../../fork/reap.js';
import { getChildSubreaper, setChildSubreaper } from '../../posix/parentage.js';
import { waitpid } from '../../posix/wait.js';
import { procChildren, procStat, procText } from '../../system/procfs.js';
import { VARIABLE } from '../../system/succession.js';
import { KILL_AFTER_MS } from '../state/state.js';

const LOOK_MS = 20;
const STRAY_MS = 500;

/** Identifies a process, together with its pid. */
const beganAt = (pid: number) => procStat(pid)?.fields[19];

function childrenOf(pid: number | 'self'): number[] {
  try {
    return procChildren(pid);
  } catch {
    return []; // it has ended, or the system does not show it: FreeBSD, no CONFIG_PROC_CHILDREN
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended, or has changed its user.
  }
}

/** Reaps a zombie. */
function reap(pid: number): void {
  try {
    waitpid(pid, { noHang: true });
  } catch {
    // Other code has reaped it.
  }
}

/**
 * Orphans of other programs that came in the meantime, and zombies that could not be identified.
 */
const strays = new Map<number, string | undefined>();
let reaper: Disposable | undefined;

/** Reaps them later, without delaying the caller. */
function reapStrays(pids: readonly number[]): void {
  for (const pid of pids) strays.set(pid, beganAt(pid));
  if (reaper !== undefined || strays.size === 0) return;
  try {
    reaper = reapOrphans();
  } catch {
    return; // no descriptor left: the next failed upgrade tries again
  }
  const master = native.getpid();
  const look = () => {
    if (native.getpid() !== master) strays.clear();
    for (const [pid, began] of strays) if (beganAt(pid) !== began) strays.delete(pid);
    if (strays.size > 0) setTimeout(look, STRAY_MS).unref();
    else {
      reaper?.[Symbol.dispose]();
      reaper = undefined;
    }
  };
  look();
}

export class Remains {
  readonly #pid = native.getpid();
  readonly #all = new Map<number, string | undefined>();
  #before = true;
  #known = new Set<number>();
  #mark = '';

  /** @param mark - a text that no other environment contains. */
  expect(mark: string): void {
    this.#mark = mark;
    this.#known = new Set(childrenOf('self'));
    this.#before = getChildSubreaper();
    if (!this.#before) setChildSubreaper(true);
  }

  /** The program has succeeded. */
  forget(): void {
    try {
      if (!this.#before) setChildSubreaper(false);
    } catch {
      // This process stays a subreaper.
    }
  }

  /**
   * Kills the program, and lets what it has started end in order: workers answer accepted requests.
   *
   * @param gone - resolves when the program is reaped.
   */
  async end(pid: number, gone: Promise<void>, patience: number): Promise<void> {
    // Then its master sends nothing to workers or standard error; the workers' lines end.
    kill(pid, 'SIGSTOP');
    this.#addDescendants(pid);
    kill(pid, 'SIGKILL');
    for (const one of this.#all.keys()) kill(one, 'SIGTERM');
    await gone;
    await this.#endOrphans(patience);
    this.forget();
  }

  async #endOrphans(patience: number): Promise<void> {
    const deadline = clock() + patience + KILL_AFTER_MS;
    while (native.getpid() === this.#pid) {
      const left = this.#left();
      // SIGKILL does not end a process that waits forever inside the kernel (state D).
      if (left.length === 0 || clock() > deadline + 2 * patience) break;
      if (clock() > deadline) for (const pid of left) kill(pid, 'SIGKILL');
      await sleep(LOOK_MS);
    }
    if (native.getpid() === this.#pid && !this.#before) reapStrays(this.#strangers());
  }

  #addDescendants(pid: number): void {
    for (const child of childrenOf(pid)) {
      if (this.#all.has(child)) continue;
      this.#all.set(child, beganAt(child));
      this.#addDescendants(child);
    }
  }

  /** New children for which no code waits. */
  #strangers(): number[] {
    const awaited = expected();
    return childrenOf('self').filter((pid) => !(this.#known.has(pid) || awaited.has(pid)));
  }

  /** The processes that still exist. */
  #left(): number[] {
    for (const pid of this.#strangers()) {
      const marked = procText(`${pid}/environ`)?.includes(this.#mark) === true;
      if (marked && !this.#all.has(pid)) this.#all.set(pid, beganAt(pid));
      if (this.#all.has(pid)) reap(pid);
    }
    return [...this.#all].flatMap(([pid, began]) =>
      began !== undefined && beganAt(pid) === began ? pid : [],
    );
  }
}

/** A text that is only in the environment of the program and its forks. */
export const markOf = (socket: string) => `${VARIABLE}={"socket":"${socket}"`;
