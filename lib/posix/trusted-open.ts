// Opens files safely as root: root must not lock, empty, trust or write a file that another user
// could have put there.
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
  owner === UINT_MAX ? 'can be replaced by others' : `belongs to user ${owner}`;

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

/** A file whose path other users cannot redirect. */
export interface TrustedFile {
  fd: number;
  guarded: boolean;
}

/** The owner of a new file. */
export interface FileOwner {
  uid: number;
  gid: number;
}

/**
 * Opens or makes a file, without waiting, and never through a symbolic link as the last component.
 * For root, no other user can redirect the absolute path: a symbolic link in it must belong to root
 * and be in a directory that only root may change, as /var/run. A directory that everyone may write
 * to is refused, unless it has the sticky bit. Each directory is opened through the descriptor of
 * the one before, so that it cannot be replaced between check and use.
 *
 * @param mode - permissions of a new file; the umask does not apply.
 * @param owner - the owner of a new file, set before other processes can open it. Default: the
 *   process's ids.
 * @returns a close-on-exec descriptor. The caller must check the file itself. `guarded`: only root
 *   can have put it there, regardless of its owner.
 * @throws the errors of open(2), with `path`; `ELOOP` if the last component is a link, `EPERM` for
 *   the other refusals.
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

/** The same for an existing file; undefined if the file or its directory does not exist. */
export function openThere(path: string, flags: number): number | undefined {
  const [fd, found, other, at] = native.openTrusted(path, flags, NONE, isRoot(), -1, -1);
  if (fd === -ENOENT) return undefined;
  if (fd < 0) throw failure(path, fd, found, other, at);
  return fd;
}

/**
 * The same without making a file: undefined if it could be made. A FIFO is not opened either,
 * because its reader would see an end when it is closed again.
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
 * Throws if an open file is not a regular file. For root also if another user may have written it,
 * or if it has a second name (a hard link), because it may then be any file of root.
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

/** A file with a second name (a hard link) may be any file of its owner. */
export function expectOneName(found: BigIntStats, path: string): void {
  if (found.nlink > 1n) refuse(path, 'refused to root: the file has another name (hard link)');
}

export function expectOwner(found: BigIntStats, path: string, owners: readonly number[]): void {
  if (owners.includes(Number(found.uid))) return;
  refuse(path, `refused to root: the file belongs to user ${found.uid}`);
}
