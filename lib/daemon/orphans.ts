// What a daemon that could not be born leaves: descendants with a session of their own, which no
// signal to its process group reaches. Their parent has ended, so they are the launcher's by now.
import { constants } from 'node:os';
import { native } from '../addon/native.js';
import { pause } from '../base/pause.js';
import { procChildren } from '../system/procfs.js';

const { SIGKILL, SIGTERM } = constants.signals;

/** How long they may take to end after each signal, in milliseconds: as cpp/sys/launcher.cc has it. */
const GRACE = 2000;
const PAUSE = 5;

function addDescendants(pid: number | 'self', found: Set<number>): void {
  for (const child of procChildren(pid)) {
    found.add(child);
    try {
      addDescendants(child, found);
    } catch {
      // It has ended meanwhile.
    }
  }
}

/**
 * All that descend from this process, to be told from what the daemon will have started.
 *
 * @returns undefined where that cannot be known: FreeBSD, a chroot, a kernel without CONFIG_PROC_CHILDREN.
 */
export function descendants(): ReadonlySet<number> | undefined {
  const found = new Set<number>();
  try {
    addDescendants('self', found);
    return found;
  } catch {
    return undefined;
  }
}

/** False for one that has become another user: kill(2), EPERM. */
function send(pid: number, signal: number): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/**
 * Ends and reaps the children of this process that are not `known`, and in their turn what is left to
 * it when they have ended. A process that one of the known has made meanwhile and left behind as an
 * orphan cannot be told from them.
 */
export function endOrphans(known: ReadonlySet<number> | undefined): void {
  if (known === undefined) return;
  const told = new Set<number>();
  const spared = new Set(known);
  const deadline = performance.now() + GRACE;
  for (;;) {
    const orphans = procChildren('self').filter((pid) => !spared.has(pid));
    // One that waits inside the kernel for good (state D) does not heed SIGKILL either.
    if (orphans.length === 0 || performance.now() > deadline + GRACE) return;
    const late = performance.now() > deadline;
    for (const pid of orphans) {
      if ((late || !told.has(pid)) && !send(pid, late ? SIGKILL : SIGTERM)) spared.add(pid);
      told.add(pid);
      native.waitpid(pid, true, false, false);
    }
    pause(PAUSE);
  }
}
