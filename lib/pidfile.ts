// A daemon's pidfile by the rules of FreeBSD's pidfile(3): the lock tells whether the daemon runs,
// the number in the file only which process it is.
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { constants as os } from 'node:os';
import { pathInRoot } from './chroot.js';
import { check, type SystemError, systemError } from './errors.js';
import { native } from './native.js';

/** The error for a pidfile that somebody else holds. */
export interface PidfileError extends SystemError {
  /** The process that the file names; absent with EAGAIN. */
  pid?: number;
}

const { EAGAIN, EEXIST, ESTALE, EWOULDBLOCK } = os.errno;

/** How often and how long to wait for a rival that has locked its file but not written it yet. */
const RETRIES = 3;
const RETRY_MS = 5;

function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** Whether `path` still leads to the open file `fd`. */
function sameFile(fd: number, path: string): boolean {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  const ours = fstatSync(fd, { bigint: true });
  return found?.dev === ours.dev && found.ino === ours.ino;
}

/** The pid in a file, a trailing newline or not; NaN if there is none yet, undefined if no file. */
function readPid(path: string): number | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as SystemError).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const text = readFileSync(fd, 'latin1');
    return /^[1-9]\d{0,9}\n?$/.test(text) ? Number(text) : Number.NaN;
  } finally {
    closeSync(fd);
  }
}

/** The error to throw for a file that is locked; undefined if its owner has just removed it. */
function heldByRival(path: string): PidfileError | undefined {
  for (let tries = 0; tries <= RETRIES; tries++) {
    if (tries > 0) sleep(RETRY_MS);
    const pid = readPid(path);
    if (pid === undefined) return undefined;
    if (Number.isNaN(pid)) continue;
    const detail = `already running as process ${pid}`;
    return Object.assign(systemError(-EEXIST, 'flock', { path, detail }), { pid });
  }
  const detail = 'locked by a process that has not written its pid';
  return systemError(-EAGAIN, 'flock', { path, detail });
}

/** Locks and empties; false if the file at `path` was removed or replaced meanwhile. */
function lock(fd: number, path: string): boolean {
  const locked = native.flockExclusive(fd);
  if (locked === -EWOULDBLOCK) {
    const rival = heldByRival(path);
    if (rival !== undefined) throw rival;
    return false;
  }
  check(locked, 'flock', { path });
  if (!sameFile(fd, path)) return false;
  ftruncateSync(fd, 0);
  return true;
}

function openLocked(path: string, mode: number): number | undefined {
  // No O_TRUNC: the rival's number must survive our try. O_NONBLOCK: a FIFO must not stop us.
  let flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NONBLOCK;
  // In a directory that others may write to, a link could have root truncate any file.
  if (process.geteuid?.() === 0) flags |= constants.O_NOFOLLOW;
  const fd = openSync(path, flags, mode);
  try {
    if (lock(fd, path)) return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  closeSync(fd);
  return undefined;
}

/**
 * A locked pidfile.
 *
 * The lock belongs to the open file, so that a process and its forks hold it together until the
 * last of them has closed it or ended.
 *
 * Source: pidfile(3), FreeBSD.
 */
export class Pidfile {
  /** Where it was created. */
  readonly path: string;
  #fd: number;
  /** Where it is now: inside of a chroot another path, or out of reach. */
  #here: string | undefined;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#here = path;
    this.#fd = fd;
  }

  /**
   * Creates or takes over the file, and locks it; it is empty afterwards.
   *
   * @param path - absolute, since the daemon's working directory changes.
   * @param mode - for a new file, less the umask.
   * @throws `EEXIST` (syscall `flock`, with `path` and the rival's `pid`) if a process holds it,
   *   `EAGAIN` if that process has not written its pid within 15 ms; `ELOOP` (syscall `open`) for
   *   root if it is a symbolic link; and what open(2) throws.
   */
  static open(path: string, mode = 0o644): Pidfile {
    for (;;) {
      const fd = openLocked(path, mode);
      if (fd !== undefined) return new Pidfile(path, fd);
    }
  }

  /** The open file; -1 once it is closed. */
  get fd(): number {
    return this.#fd;
  }

  /**
   * Writes the pid and a newline.
   *
   * @throws `ESTALE` (syscall `fstat`) if the file at the path is no longer this one.
   */
  write(pid = process.pid): void {
    if (this.#here === undefined || !sameFile(this.#fd, this.#here)) {
      const detail = 'the pidfile was removed or replaced';
      throw systemError(-ESTALE, 'fstat', { path: this.path, detail });
    }
    ftruncateSync(this.#fd, 0);
    writeSync(this.#fd, `${pid}\n`, 0);
  }

  /** Tells it that the root directory is another now. */
  rootChanged(root: string): void {
    this.#here = pathInRoot(this.path, root);
  }

  /**
   * Removes the file, then closes it and so gives up the lock; in the other order a rival could
   * lock the file in between, and lose it.
   *
   * @returns false if the file could not be removed because it is outside of the chroot, or in a
   *   directory that the process may no longer write to. It is empty then, which stops nobody from
   *   starting, and names no process that somebody could kill by mistake. Also false if the path
   *   leads to another file by now, which is left alone.
   */
  remove(): boolean {
    if (this.#fd < 0) return false;
    const removed = this.#unlink();
    if (!removed) ftruncateSync(this.#fd, 0);
    this.close();
    return removed;
  }

  #unlink(): boolean {
    try {
      if (this.#here === undefined || !sameFile(this.#fd, this.#here)) return false;
      unlinkSync(this.#here);
      return true;
    } catch {
      return false;
    }
  }

  /** Closes the file and leaves it; what a fork that is not the daemon does. */
  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}
