// The lock of a pidfile: who has it holds the file, and may empty or remove it.
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
  /** The process that the file names; absent with EAGAIN. */
  pid?: number;
}

const { EAGAIN, EEXIST, EWOULDBLOCK } = os.errno;

/** How often and how long to wait for a rival that has locked its file but not written it yet. */
const RETRIES = 3;
const RETRY_MS = 5;

/** The error to throw for a file that stays locked. */
export function heldByRival(fd: number, path: string): PidfileError {
  const pid = readPid(fd);
  if (pid === undefined || Number.isNaN(pid)) {
    const detail = 'locked by a process that has not written its pid';
    return systemError(-EAGAIN, 'flock', { path, detail });
  }
  const detail = `already running as process ${pid}`;
  return Object.assign(systemError(-EEXIST, 'flock', { path, detail }), { pid });
}

/** Whether the file names a process that there is: the next holder empties it only after it has the lock. */
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

/** Locks and empties; false if the file at `path` was removed or replaced meanwhile. */
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
      // Ours to remove, or a start that failed would leave an empty file behind.
      if (locked === 0) removeLocked(fd, path);
      throw error;
    }
    if (locked !== -EWOULDBLOCK) check(locked, 'flock', { path });
    // Once more even if it names a pid: pidfileRead() holds the lock for a moment to try it.
    if (tries === RETRIES || (tries > 0 && namesSomebody(fd))) throw heldByRival(fd, path);
    pause(RETRY_MS);
  }
}

/** Removes a file that we have locked, if the path still leads to it and we may. */
export function removeLocked(fd: number, path: string): boolean {
  try {
    if (!sameFile(fd, path)) return false;
    unlinkSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Opens, locks and empties; undefined if the file at `path` was removed or replaced meanwhile: to be tried again. */
export function openLocked(path: string, mode: number): number | undefined {
  // No O_TRUNC: the rival's number must survive our try.
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
