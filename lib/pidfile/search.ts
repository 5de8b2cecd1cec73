// Which process a pidfile means, also when the file was removed under the daemon.

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

/** A finding, with what is to be said of its file. */
export interface Found extends Finding {
  /** The daemon holds a pidfile of this path that has been removed. */
  removed: boolean;
}

/** What a process has open that was removed from this path: the kernel says so in its name. */
function descriptorsOf(pid: string, path: string): number[] {
  try {
    return procLinks(Number(pid)).flatMap(([fd, to]) => (to === `${path} (deleted)` ? fd : []));
  } catch {
    return []; // it has ended meanwhile
  }
}

/** The process that a removed file names, if it holds the lock of that file. */
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

/** Looks for the holder of a pidfile that is gone: with its directory, or by somebody's rm(1). */
function findRemoved(path: string): Finding | undefined {
  for (const pid of procListing('').filter((name) => /^\d+$/.test(name))) {
    for (const fd of descriptorsOf(pid, path)) {
      try {
        const found = ownerOf(path, pid, fd);
        if (found !== undefined) return found;
      } catch {
        // It has been closed meanwhile, or somebody else has written it, which proves nothing.
      }
    }
  }
  return undefined;
}

/**
 * Finds the daemon, by the file or, if there is none at the path, among the processes that are open to
 * us. What it gives is to be disposed.
 *
 * @throws `ENOENT` (syscall `open`, with `path`) if there is not even the directory: the daemon, and
 *   its file, may be where that has gone.
 */
export function findDaemon(path: string): Found {
  const found = find(path);
  if (found.report.state !== 'absent' || existsSync(path)) return { ...found, removed: false };
  const removed = findRemoved(path);
  if (removed !== undefined) return { ...removed, removed: true };
  if (existsSync(dirname(path))) return { ...found, removed: false };
  const detail = `there is no directory ${dirname(path)}, so that it is not known whether it runs`;
  throw Object.assign(systemError(-os.errno.ENOENT, 'open', { path, detail }), { uncertain: true });
}

/** What a start may take from locking its pidfile to writing it. */
const START_MS = 5000;
const LOOK_MS = 20;

/**
 * The same. A daemon that is just starting has locked its pidfile and will write it in a moment.
 *
 * @param signal - ends the wait for that.
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
 * The process that may be signalled.
 *
 * @returns undefined if none runs.
 * @throws `EAGAIN`, `ESTALE` if it is not certain who is meant.
 */
export function provenOwner({ report, owner }: Finding): Owner | undefined {
  if (owner !== undefined || report.state === 'absent' || report.state === 'stale') return owner;
  throw uncertain(report);
}

/**
 * Whether a running daemon is ready. Until then its parent is the launcher, which holds the lock of the
 * pidfile together with it, and nobody else does.
 *
 * @returns true also where that cannot be seen.
 */
export function isReady({ path, pid }: PidfileReport): boolean {
  const parent = Number(pid === undefined ? 0 : procStat(pid)?.fields[1]);
  const file = statSync(path, { bigint: true, throwIfNoEntry: false });
  return file === undefined || !(parent > 0) || holdsLock(parent, file) !== true;
}
