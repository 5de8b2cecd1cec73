// What root does not lock, empty, believe or write to: a file that somebody else could have put in
// its place.
import type { BigIntStats } from 'node:fs';
import { constants } from 'node:os';
import { nameOf } from '../addon/names.js';
import { native } from '../addon/native.js';
import { systemError } from '../base/errors.js';
import { UINT_MAX } from '../base/validate.js';

const { EINVAL, ELOOP, ENOENT, EPERM } = constants.errno;
const GROUP_WRITES = 0o020;
const OTHERS_WRITE = 0o002;

export const isRoot = (): boolean => process.geteuid?.() === 0;

export function refuse(path: string, detail: string, errno = EPERM): never {
  throw systemError(-errno, 'open', { path, detail });
}

const whose = (owner: number) =>
  owner === UINT_MAX ? 'can be exchanged by others' : `belongs to user ${owner}`;

function failure(path: string, errno: number, found: number, owner: number, at: string) {
  const failed = (detail: string, code = -EPERM) => systemError(code, 'open', { path, detail });
  const what = nameOf('found', found);
  if (what === 'link') return failed('refused: it is a symbolic link', -ELOOP);
  if (what === 'foreignLink') {
    return failed(`refused to root: the symbolic link ${at} ${whose(owner)}`);
  }
  if (what === 'openDirectory') {
    return failed(`refused to root: everybody may write to the directory ${at}`);
  }
  return systemError(errno, 'open', { path });
}

/** A file that was opened by a way that others do not decide. */
export interface TrustedFile {
  fd: number;
  guarded: boolean;
}

/** Who a new file shall belong to. */
export interface FileOwner {
  uid: number;
  gid: number;
}

/**
 * Opens a file, or makes it, without waiting and never by a symbolic link of that name. For root
 * nobody else decides what the absolute path leads to: symbolic links on the way must be root's, and
 * in a directory that only root may change, as /var/run; a directory that everybody may write to is
 * refused, unless it has the sticky bit. Each directory is opened by the descriptor of the one
 * before, so that none is exchanged between the look and the use.
 *
 * @param mode - of a new file, whatever the umask.
 * @param owner - who a new file belongs to, before anybody can open it. Default: as it comes.
 * @returns a descriptor that is close-on-exec. The file itself is for the caller to look at; it is
 *   `guarded` if nobody but root can have put it there, whoever it belongs to.
 * @throws what open(2) says, with `path`; `ELOOP` for a link of that name, `EPERM` for the rest.
 */
export function openTrusted(
  path: string,
  flags: number,
  mode: number,
  owner?: FileOwner,
): TrustedFile {
  const { uid = -1, gid = -1 } = owner ?? {};
  const [fd, found, other, at, guarded] = native.openTrusted(path, flags, mode, isRoot(), uid, gid);
  if (fd < 0) throw failure(path, fd, found, other, at);
  return { fd, guarded };
}

const NONE = -1;
const ONLY_ROOM = -2;

/** The same for a file that is there; undefined if there is none, nor its directory. */
export function openThere(path: string, flags: number): number | undefined {
  const [fd, found, other, at] = native.openTrusted(path, flags, NONE, isRoot(), -1, -1);
  if (fd === -ENOENT) return undefined;
  if (fd < 0) throw failure(path, fd, found, other, at);
  return fd;
}

/**
 * The same for a file that could be made: undefined then. None is made. Nor is a FIFO opened: who reads
 * it would see an end when that is closed again.
 */
export function openOrExpectRoom(path: string, flags: number): TrustedFile | 'fifo' | undefined {
  const [fd, found, other, at, guarded] = native.openTrusted(
    path,
    flags,
    ONLY_ROOM,
    isRoot(),
    -1,
    -1,
  );
  const what = nameOf('found', found);
  if (what === 'room') return undefined;
  if (what === 'fifo') return what;
  if (fd < 0) throw failure(path, fd, found, other, at);
  return { fd, guarded };
}

/**
 * Throws if an open file is no regular one, and for root if another user may have written it, or if
 * it has a second name, by which any file of root's could be meant.
 *
 * @throws `EINVAL`, `EPERM` (syscall `open`, with `path`).
 */
export function expectSafeFile(found: BigIntStats, path: string): void {
  if (!found.isFile()) refuse(path, 'not a regular file', EINVAL);
  if (!isRoot()) return;
  const mode = Number(found.mode);
  expectOwner(found, path, [0]);
  if ((mode & OTHERS_WRITE) !== 0) refuse(path, 'refused to root: everybody may write to the file');
  if ((mode & GROUP_WRITES) !== 0 && found.gid !== 0n) {
    refuse(path, `refused to root: group ${found.gid} may write to the file`);
  }
  expectOneName(found, path);
}

/** By a second name any file of its owner's could be meant. */
export function expectOneName(found: BigIntStats, path: string): void {
  if (found.nlink > 1n) refuse(path, 'refused to root: the file has another name (hard link)');
}

export function expectOwner(found: BigIntStats, path: string, owners: readonly number[]): void {
  if (owners.includes(Number(found.uid))) return;
  refuse(path, `refused to root: the file belongs to user ${found.uid}`);
}
