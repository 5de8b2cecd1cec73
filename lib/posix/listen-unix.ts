// Unix domain sockets in the file system. The socket's file stays after its server is killed.
import { closeSync, constants, lstatSync, openSync, unlinkSync } from 'node:fs';
import { constants as os } from 'node:os';
import { dirname, resolve } from 'node:path';
import { native } from '../addon/native.js';
import { check } from '../base/errors.js';
import { pause } from '../base/pause.js';
import { mayUnlink } from '../system/succession.js';

/** A socket that listens. */
export interface Listener {
  fd: number;
  /**
   * Removes the socket's file, if the file still belongs to it. Call it before closing the socket.
   */
  unlink(): void;
}

type Identity = { dev: bigint; ino: bigint };

interface UnixPlan {
  path: string;
  mode: number;
  also: number;
  backlog: number;
}

const { EADDRINUSE, ECONNREFUSED, EWOULDBLOCK } = os.errno;

/** How often and how long to wait for another process that opens a socket in the directory. */
const TRIES = 50;
const TRY_MS = 20;

/**
 * The lock that all daemonkit processes take. Two races make it necessary: between bind(2) and
 * listen(2) a socket refuses connections like a stale one, and between the check and unlink(2) the
 * file may be replaced.
 *
 * @returns undefined where no lock is possible: a directory that may not be read, NFS.
 */
function lockOf(directory: string): Disposable | undefined {
  let fd: number;
  try {
    fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch {
    return undefined;
  }
  let locked = native.flockExclusive(fd);
  for (let tries = 0; locked === -EWOULDBLOCK && tries < TRIES; tries++) {
    pause(TRY_MS);
    locked = native.flockExclusive(fd);
  }
  if (locked === 0) return { [Symbol.dispose]: () => closeSync(fd) };
  closeSync(fd);
  return undefined;
}

/** The socket at a path, without following a link; undefined if it is not a socket. */
function socketAt(path: string) {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return found?.isSocket() ? found : undefined;
}

/**
 * How often to check: other programs do not take the lock, and may be between bind(2) and
 * listen(2).
 */
const LOOKS = 3;

/** Whether no process listens on the socket at a path any more. */
function isStale(path: string): boolean {
  for (let looks = 0; looks < LOOKS; looks++) {
    if (looks > 0) pause(TRY_MS);
    if (socketAt(path) === undefined || native.connectUnix(path) !== -ECONNREFUSED) return false;
  }
  return true;
}

/** Removes the file of a socket without a listener; false if permission is missing. */
function removeStale(path: string): boolean {
  if (!isStale(path)) return false;
  try {
    unlinkSync(path);
    return true;
  } catch {
    return false;
  }
}

function listen({ path, mode, also, backlog }: UnixPlan): number {
  return native.listenUnix(path, backlog, mode, also);
}

/**
 * The identity of the file that bind(2) has just made, to check later whether it is still there.
 */
function identityOf(fd: number, path: string) {
  try {
    return socketAt(path);
  } catch (error) {
    closeSync(fd);
    unlinkSync(path);
    throw error;
  }
}

/** Opens a socket, and replaces the file that a killed server has left. */
export function openUnixListener(plan: UnixPlan): Listener {
  const { path } = plan;
  // The working directory may change before unlink().
  const file = resolve(path);
  using lock = lockOf(dirname(file));
  let fd = listen(plan);
  if (fd === -EADDRINUSE && lock !== undefined && removeStale(path)) fd = listen(plan);
  check(fd, 'listen', { path });
  const made = identityOf(fd, path);
  return { fd, unlink: () => unlinkIfSame(file, made) };
}

/** The socket that a predecessor has made and handed over with its file. */
export function takenUnixListener(fd: number, file: string): Listener {
  const made = socketAt(file);
  return { fd, unlink: () => unlinkIfSame(file, made) };
}

function unlinkIfSame(file: string, made: Identity | undefined): void {
  // Another process uses the file too, and keeps running.
  if (!mayUnlink(file)) return;
  using _ = lockOf(dirname(file));
  const found = socketAt(file);
  // As long as the socket is open, the system does not reuse its inode.
  if (found === undefined || found.ino !== made?.ino || found.dev !== made.dev) return;
  unlinkSync(file);
}
