// Ends what a failed daemon leaves behind: descendants in other sessions, which no signal to its
// process group reaches. Their parent has ended, so they are children of the launcher now.
import { constants } from 'node:os';
import { native } from '../addon/native.js';
import { pause } from '../base/pause.js';
import { procChildren } from '../system/procfs.js';

const { SIGKILL, SIGTERM } = constants.signals;

/** How long they may take to end after each signal, in milliseconds, as in cpp/sys/launcher.cc. */
const GRACE = 2000;
const PAUSE = 5;

function addDescendants(pid: number | 'self', found: Set<number>): void {
  for (const child of procChildren(pid)) {
    found.add(child);
    try {
      addDescendants(child, found);
    } catch {
      // The process has just ended.
    }
  }
}

/**
 * All descendants of this process, to distinguish them from those that the daemon starts later.
 *
 * @returns undefined where the system does not show them: FreeBSD, a chroot, a kernel without
 *   CONFIG_PROC_CHILDREN.
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

/** False for a process that has changed its user: kill(2), EPERM. */
function send(pid: number, signal: number): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/**
 * Ends and reaps the children of this process that are not `known`, then the orphans that these
 * leave. An orphan of one of the known processes looks the same, and is ended too.
 */
export function endOrphans(known: ReadonlySet<number> | undefined): void {
  if (known === undefined) return;
  const told = new Set<number>();
  const spared = new Set(known);
  const deadline = performance.now() + GRACE;
  for (;;) {
    const orphans = procChildren('self').filter((pid) => !spared.has(pid));
    // SIGKILL does not end a process that waits forever inside the kernel (state D).
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
