// A Unix domain socket in the file system: its file outlives a server that is killed.
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
  /** Removes the socket's file, if it has one that is still its own. To be called before it is closed. */
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

/** How often and how long to wait for somebody else who opens a socket in the directory. */
const TRIES = 50;
const TRY_MS = 20;

/**
 * The lock that all daemonkits take: between bind(2) and listen(2) a socket refuses connections as one
 * does that was left behind, and between the look and unlink(2) it may become another one's.
 *
 * @returns undefined where there is none to be had: a directory that may not be read, NFS.
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

/** The socket at a path, not what a link there leads to; undefined if it is no socket. */
function socketAt(path: string) {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return found?.isSocket() ? found : undefined;
}

/** Other programs, which do not know the lock, may be between bind(2) and listen(2). */
const LOOKS = 3;

/** Whether nobody listens to the socket at a path any more. */
function isStale(path: string): boolean {
  for (let looks = 0; looks < LOOKS; looks++) {
    if (looks > 0) pause(TRY_MS);
    if (socketAt(path) === undefined || native.connectUnix(path) !== -ECONNREFUSED) return false;
  }
  return true;
}

/** Removes a file that nobody listens to; false if it is not for us to remove. */
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

/** The file that bind(2) has just made; without it nobody could tell later whether it is still there. */
function identityOf(fd: number, path: string) {
  try {
    return socketAt(path);
  } catch (error) {
    closeSync(fd);
    unlinkSync(path);
    throw error;
  }
}

/** Opens one; the file that a killed server has left is replaced. */
export function openUnixListener(plan: UnixPlan): Listener {
  const { path } = plan;
  // By the time of unlink() the working directory may be another one.
  const file = resolve(path);
  using lock = lockOf(dirname(file));
  let fd = listen(plan);
  if (fd === -EADDRINUSE && lock !== undefined && removeStale(path)) fd = listen(plan);
  check(fd, 'listen', { path });
  const made = identityOf(fd, path);
  return { fd, unlink: () => unlinkIfSame(file, made) };
}

/** The one that a predecessor has made, and handed over with its file. */
export function takenUnixListener(fd: number, file: string): Listener {
  const made = socketAt(file);
  return { fd, unlink: () => unlinkIfSame(file, made) };
}

function unlinkIfSame(file: string, made: Identity | undefined): void {
  // It is another process's as well, which goes on.
  if (!mayUnlink(file)) return;
  using _ = lockOf(dirname(file));
  const found = socketAt(file);
  // As long as the socket is open the system gives its inode to no other file.
  if (found === undefined || found.ino !== made?.ino || found.dev !== made.dev) return;
  unlinkSync(file);
}
