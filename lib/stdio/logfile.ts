// Opens log files. Root never writes to a file that another user has put there, opening never
// blocks, and a new file belongs to the user who will write it.
import { closeSync, constants, fstatSync, lstatSync } from 'node:fs';
import { constants as os } from 'node:os';
import { dirname } from 'node:path';
import { native } from '../addon/native.js';
import { check, type SystemError, systemError } from '../base/errors.js';
import { pathInRoot } from '../posix/chroot.js';
import type { Credentials } from '../posix/credentials.js';
import {
  expectOneName,
  expectOwner,
  type FileOwner,
  isRoot,
  openOrExpectRoom,
  openTrusted,
  refuse,
  type TrustedFile,
} from '../posix/trusted-open.js';

const { EACCES, EINVAL, ENOENT, ENXIO } = os.errno;

const APPEND = constants.O_WRONLY | constants.O_APPEND;
export const LOG_MODE = 0o640;

/**
 * Paths that name descriptors. open(2) would follow them as links, or open the file a second time.
 */
const DESCRIPTOR = /^\/(?:dev\/fd|proc\/self\/fd)\/(\d+)$/;
const NAMED = new Map([
  ['/dev/stdout', 1],
  ['/dev/stderr', 2],
]);

/** The descriptor that a path such as /dev/stderr names. */
export function namedDescriptor(path: string): number | undefined {
  const number = DESCRIPTOR.exec(path)?.[1];
  return number === undefined ? NAMED.get(path) : Number(number);
}

function duplicate(fd: number, path: string): number {
  const copy = check(native.dup(fd), 'dup', { path });
  check(native.closeRange(copy, copy, true, 0), 'fcntl');
  return copy;
}

/** Checks an open log. For root the rules are as strict as for a pidfile. */
function expectSafeLog({ fd, guarded }: TrustedFile, path: string, owner?: FileOwner): void {
  const found = fstatSync(fd, { bigint: true });
  if (found.isCharacterDevice()) return;
  if (!found.isFile() && !found.isFIFO()) {
    refuse(path, 'refused as a log: neither a file, a FIFO nor a terminal', EINVAL);
  }
  if (!isRoot()) return;
  if (!guarded) expectOwner(found, path, [0, ...(owner === undefined ? [] : [owner.uid])]);
  expectOneName(found, path);
}

/** Adds an explanation to some errors of open(2). */
function clearer(error: unknown, path: string): unknown {
  const { code } = error as SystemError;
  if (code !== 'ENXIO' && code !== 'EACCES') return error;
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (code === 'ENXIO') {
    const what = found?.isFIFO() ? 'no process reads this FIFO' : 'a log cannot be a socket';
    return systemError(-ENXIO, 'open', { path, detail: what });
  }
  if (found === undefined || isRoot()) return error;
  const detail = `user ${process.geteuid?.()} may not write to this file of user ${found.uid}`;
  return systemError(-EACCES, 'open', { path, detail });
}

function explained<T>(path: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    throw clearer(error, path);
  }
}

/**
 * Opens a log file to append to it, or makes it. Only a FIFO stays non-blocking. For a path that
 * names a descriptor, as /dev/stderr, returns a duplicate of the descriptor.
 *
 * @param owner - who will write the file: a new file belongs to that user and group. If other users
 *   could have put the file there, root accepts only its own files and this user's.
 * @param mode - of a new file, whatever the umask.
 * @returns a descriptor that is close-on-exec.
 * @throws the errors of open(2), with `path`: `ELOOP` for a symbolic link, `ENXIO` for a FIFO
 *   without a reader, `EINVAL` for a file that cannot be a log, for root `EPERM` if others could
 *   have put the file there.
 */
export function openLog(path: string, owner?: FileOwner, mode = LOG_MODE): number {
  const named = namedDescriptor(path);
  if (named !== undefined) return duplicate(named, path);
  // Users other than root own the files that they make.
  const given = isRoot() ? owner : undefined;
  const file = explained(path, () => openTrusted(path, APPEND, mode, given));
  try {
    expectSafeLog(file, path, owner);
    return file.fd;
  } catch (error) {
    closeSync(file.fd);
    throw error;
  }
}

/** Checks that {@link openLog} can open the file, without making it. Returns whether it exists. */
export function expectLog(path: string, owner?: FileOwner): boolean {
  const named = namedDescriptor(path);
  const file =
    named === undefined
      ? explained(path, () => openOrExpectRoom(path, APPEND))
      : { fd: duplicate(named, path), guarded: true };
  if (file === undefined) return false;
  // Whether it has a reader is known only when it is opened.
  if (file === 'fifo') return true;
  try {
    if (named === undefined) expectSafeLog(file, path, owner);
    return true;
  } finally {
    closeSync(file.fd);
  }
}

/** The log's path inside of a new root directory; throws ENOENT if it is outside. */
export function logInRoot(path: string, root: string | undefined): string {
  const here = root === undefined ? path : pathInRoot(path, root);
  if (here !== undefined) return here;
  throw systemError(-ENOENT, 'open', { path, detail: 'the file is outside of the chroot' });
}

/**
 * Checks that the process can open an existing log again, with its new user and root directory.
 *
 * @param there - false: the file will be made and belong to that user. Then only its path is
 *   checked.
 * @param when - the signal, for the error.
 */
export function expectReopening(
  path: string,
  root: string | undefined,
  { uid, gid, groups = [] }: Credentials,
  there: boolean,
  when: string,
): void {
  if (namedDescriptor(path) !== undefined) return;
  const here = logInRoot(path, root);
  if (root === undefined && gid === undefined) return;
  const [what, flags] = there ? [here, APPEND] : [`${dirname(here)}/.`, -1];
  const result = native.tryOpenAs(what, flags, root ?? '', uid ?? -1, gid ?? -1, groups);
  if (result >= 0) return;
  const who = uid === undefined ? 'this process' : `user ${uid}`;
  const detail = `${who} could not reopen it at ${when}`;
  throw systemError(result, 'open', { path, detail });
}
