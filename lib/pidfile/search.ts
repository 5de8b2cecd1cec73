// Finds the holder of a pidfile, even if the file was removed while the daemon runs.

import { closeSync, constants, existsSync, fstatSync, openSync, statSync } from 'node:fs';
import { constants as os } from 'node:os';
import { dirname } from 'node:path';
import { systemError } from '../base/errors.js';
import { sleep } from '../base/timers.js';
import { expectSafeFile } from '../posix/trusted-open.js';
import { procLinks, procListing, procStat } from '../system/procfs.js';
import { holdsLock, startTime } from './evidence.js';
import { Owner } from './owner.js';
import { type Finding, find, type PidfileReport, uncertain } from './read.js';
import { readPid } from './text.js';

/** A finding, and the state of its file. */
export interface Found extends Finding {
  /** The daemon holds a pidfile of this path, but the file was removed. */
  removed: boolean;
}

/**
 * The descriptors of a process that lead to a file removed from this path: the kernel marks the
 * name.
 */
function descriptorsOf(pid: string, path: string): number[] {
  try {
    return procLinks(Number(pid)).flatMap(([fd, to]) => (to === `${path} (deleted)` ? fd : []));
  } catch {
    return []; // it has just ended
  }
}

/** The process that a removed file names, if it holds that file's lock. */
function ownerOf(path: string, pid: string, descriptor: number): Finding | undefined {
  const { O_RDONLY, O_NONBLOCK } = constants;
  const fd = openSync(`/proc/${pid}/fd/${descriptor}`, O_RDONLY | O_NONBLOCK);
  try {
    const file = fstatSync(fd, { bigint: true });
    expectSafeFile(file, path);
    const named = readPid(fd);
    if (named === undefined || Number.isNaN(named)) return undefined;
    const owner = Owner.of(named);
    const report = { path, state: 'running', running: true, pid: named } as const;
    if (owner?.proves(file, () => false)) {
      return { report: { ...report, startTime: startTime(named) }, owner };
    }
    owner?.[Symbol.dispose]();
    return undefined;
  } finally {
    closeSync(fd);
  }
}

/** Looks for the holder of a pidfile that was removed, alone or with its directory. */
function findRemoved(path: string): Finding | undefined {
  for (const pid of procListing('').filter((name) => /^\d+$/.test(name))) {
    for (const fd of descriptorsOf(pid, path)) {
      try {
        const found = ownerOf(path, pid, fd);
        if (found !== undefined) return found;
      } catch {
        // The file has just been closed, or another user could have written it, so it proves
        // nothing.
      }
    }
  }
  return undefined;
}

/**
 * Finds the daemon by the file, or if there is no file at the path, among the processes that this
 * user may inspect. Dispose the result after use.
 *
 * @throws `ENOENT` (syscall `open`, with `path`) if the directory does not exist: it may have been
 *   moved, with the file of a running daemon.
 */
export function findDaemon(path: string): Found {
  const found = find(path);
  if (found.report.state !== 'absent' || existsSync(path)) return { ...found, removed: false };
  const removed = findRemoved(path);
  if (removed !== undefined) return { ...removed, removed: true };
  if (existsSync(dirname(path))) return { ...found, removed: false };
  const detail = `there is no directory ${dirname(path)}, so it is not known whether the daemon runs`;
  throw Object.assign(systemError(-os.errno.ENOENT, 'open', { path, detail }), { uncertain: true });
}

/** How long a start may take between locking its pidfile and writing it. */
const START_MS = 5000;
const LOOK_MS = 20;

/**
 * The same, but waits for a daemon that is starting: it has locked its pidfile, and writes it soon.
 *
 * @param signal - ends the wait.
 */
export async function findSettled(path: string, signal?: AbortSignal): Promise<Found> {
  const deadline = performance.now() + START_MS;
  for (;;) {
    const found = findDaemon(path);
    if (found.report.state !== 'starting' || performance.now() > deadline) return found;
    await sleep(LOOK_MS, undefined, signal && { signal });
  }
}

/**
 * The process to signal.
 *
 * @returns undefined if no process holds the file.
 * @throws `EAGAIN`, `ESTALE` if the holder is not certain.
 */
export function provenOwner({ report, owner }: Finding): Owner | undefined {
  if (owner !== undefined || report.state === 'absent' || report.state === 'stale') return owner;
  throw uncertain(report);
}

/**
 * Whether a running daemon is ready. Until then its parent is the launcher, and both hold the lock
 * of the pidfile.
 *
 * @returns true also if that is not visible.
 */
export function isReady({ path, pid }: PidfileReport): boolean {
  const parent = Number(pid === undefined ? 0 : procStat(pid)?.fields[1]);
  const file = statSync(path, { bigint: true, throwIfNoEntry: false });
  return file === undefined || !(parent > 0) || holdsLock(parent, file) !== true;
}
