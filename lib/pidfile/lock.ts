// The lock of a pidfile: its owner holds the file, and may empty or remove it.
import { closeSync, constants, fstatSync, ftruncateSync, unlinkSync } from 'node:fs';
import { constants as os } from 'node:os';
import { native } from '../addon/native.js';
import { check, type SystemError, systemError } from '../base/errors.js';
import { pause } from '../base/pause.js';
import { expectSafeFile, openTrusted } from '../posix/trusted-open.js';
import { sameFile } from './same-file.js';
import { readPid } from './text.js';

/** The error for a pidfile that another process holds. */
export interface PidfileError extends SystemError {
  /** The pid in the file; absent with EAGAIN. */
  pid?: number;
}

const { EAGAIN, EEXIST, EWOULDBLOCK } = os.errno;

/**
 * How often and how long to wait for another process that has locked the file but not written it
 * yet.
 */
const RETRIES = 3;
const RETRY_MS = 5;

/** The error for a file that stays locked. */
export function heldByRival(fd: number, path: string): PidfileError {
  const pid = readPid(fd);
  if (pid === undefined || Number.isNaN(pid)) {
    const detail = 'locked by a process that has not written its pid';
    return systemError(-EAGAIN, 'flock', { path, detail });
  }
  const detail = `already running as process ${pid}`;
  return Object.assign(systemError(-EEXIST, 'flock', { path, detail }), { pid });
}

/**
 * Whether the file names an existing process. A new holder empties the file only after it has the
 * lock.
 */
function namesSomebody(fd: number): boolean {
  const pid = readPid(fd);
  if (pid === undefined || Number.isNaN(pid)) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as SystemError).code !== 'ESRCH';
  }
}

/** Locks and empties the file; false if the file at `path` was removed or replaced in between. */
function lock(fd: number, path: string): boolean {
  for (let tries = 0; ; tries++) {
    const locked = native.flockExclusive(fd);
    try {
      if (!sameFile(fd, path)) return false;
      if (locked === 0) {
        ftruncateSync(fd, 0);
        return true;
      }
    } catch (error) {
      // This process must remove it, or a failed start would leave an empty file behind.
      if (locked === 0) removeLocked(fd, path);
      throw error;
    }
    if (locked !== -EWOULDBLOCK) check(locked, 'flock', { path });
    // Tries again even if the file names a pid, because pidfileRead() takes the lock for a moment.
    if (tries === RETRIES || (tries > 0 && namesSomebody(fd))) throw heldByRival(fd, path);
    pause(RETRY_MS);
  }
}

/**
 * Removes a file that this process has locked, if the path still leads to it and permissions allow
 * it.
 */
export function removeLocked(fd: number, path: string): boolean {
  try {
    if (!sameFile(fd, path)) return false;
    unlinkSync(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Opens, locks and empties the file; undefined if the file at `path` was removed or replaced in
 * between, so that the caller must try again.
 */
export function openLocked(path: string, mode: number): number | undefined {
  // No O_TRUNC: if another process holds the file, its pid must stay.
  const { fd } = openTrusted(path, constants.O_RDWR, mode);
  try {
    expectSafeFile(fstatSync(fd, { bigint: true }), path);
    if (lock(fd, path)) return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  closeSync(fd);
  return undefined;
}
