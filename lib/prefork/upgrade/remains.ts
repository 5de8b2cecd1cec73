// What is left of a new program that has failed: itself, its workers, and what these have started. Orphans
// come to this process meanwhile, and are told from others by the environment that they were born with.

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

/** What tells a process for good. */
const beganAt = (pid: number) => procStat(pid)?.fields[19];

function childrenOf(pid: number | 'self'): number[] {
  try {
    return procChildren(pid);
  } catch {
    return []; // it has ended, or nobody can know: FreeBSD, no CONFIG_PROC_CHILDREN
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended, or become another user.
  }
}

/** Takes a zombie of ours out of the process table. */
function reap(pid: number): void {
  try {
    waitpid(pid, { noHang: true });
  } catch {
    // Somebody else has.
  }
}

/** What others have left to this process meanwhile, or was a zombie before anybody could tell whose it was. */
const strays = new Map<number, string | undefined>();
let reaper: Disposable | undefined;

/** Waits for them, by nobody's time. */
function reapStrays(pids: readonly number[]): void {
  for (const pid of pids) strays.set(pid, beganAt(pid));
  if (reaper !== undefined || strays.size === 0) return;
  try {
    reaper = reapOrphans();
  } catch {
    return; // no descriptor left: the next upgrade that fails comes to them
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

  /** @param mark - what no other environment has. */
  expect(mark: string): void {
    this.#mark = mark;
    this.#known = new Set(childrenOf('self'));
    this.#before = getChildSubreaper();
    if (!this.#before) setChildSubreaper(true);
  }

  /** The program goes on. */
  forget(): void {
    try {
      if (!this.#before) setChildSubreaper(false);
    } catch {
      // Orphans go on to come to this process.
    }
  }

  /**
   * Kills it, and has what it has started end in order: workers answer what they have accepted.
   *
   * @param gone - resolves when the program is waited for.
   */
  async end(pid: number, gone: Promise<void>, patience: number): Promise<void> {
    // Its master tells workers nothing then, nor standard error; their lines end.
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
      // One that waits inside the kernel for good (state D) does not heed SIGKILL either.
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

  /** Children that nobody waits for, and that were not here before. */
  #strangers(): number[] {
    const awaited = expected();
    return childrenOf('self').filter((pid) => !(this.#known.has(pid) || awaited.has(pid)));
  }

  /** Those that are there yet. */
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

/** What is in the environment of the program alone, and of its forks. */
export const markOf = (socket: string) => `${VARIABLE}={"socket":"${socket}"`;
