// What root does not lock, empty or believe: a file that somebody else could have put in its place.
import { type BigIntStats, lstatSync, realpathSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { type SystemError, systemError } from '../errors.js';

const { EINVAL, ELOOP, EPERM } = constants.errno;
const GROUP_WRITES = 0o020;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

export const isRoot = (): boolean => process.geteuid?.() === 0;

function refuse(path: string, detail: string, errno = EPERM): never {
  throw systemError(-errno, 'open', { path, detail });
}

/** The path itself and all that it is in, from the root on. */
function prefixes(path: string): string[] {
  const parts = path.split('/').filter(Boolean);
  return ['/', ...parts.map((_, i) => `/${parts.slice(0, i + 1).join('/')}`)];
}

/**
 * Throws, for root, if others decide what the absolute path leads to: by a symbolic link of theirs
 * on the way, or as they may remove what is in one of its directories. In a directory with the
 * sticky bit, as /tmp, they may not, and it is the file that is looked at.
 *
 * @throws `EPERM` (syscall `open`, with `path`).
 */
export function expectSafeWay(path: string): void {
  if (!isRoot()) return;
  const directory = dirname(path);
  let real: string;
  try {
    real = realpathSync(directory);
  } catch {
    return; // open(2) tells it better
  }
  for (const prefix of prefixes(directory)) {
    const found = lstatSync(prefix);
    if (found.isSymbolicLink() && found.uid !== 0) {
      refuse(path, `refused to root: the symbolic link ${prefix} belongs to user ${found.uid}`);
    }
  }
  for (const prefix of prefixes(real)) {
    const { mode } = statSync(prefix);
    if ((mode & OTHERS_WRITE) !== 0 && (mode & STICKY) === 0) {
      refuse(path, `refused to root: everybody may write to the directory ${prefix}`);
    }
  }
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
  if (found.uid !== 0n) refuse(path, `refused to root: the file belongs to user ${found.uid}`);
  if ((mode & OTHERS_WRITE) !== 0) refuse(path, 'refused to root: everybody may write to the file');
  if ((mode & GROUP_WRITES) !== 0 && found.gid !== 0n) {
    refuse(path, `refused to root: group ${found.gid} may write to the file`);
  }
  if (found.nlink > 1n) refuse(path, 'refused to root: the file has another name (hard link)');
}

/** The error of open(2) with O_NOFOLLOW, clearer where it met a link: ELOOP, on FreeBSD EMLINK. */
export function clearer(error: unknown, path: string): SystemError {
  const thrown = error as SystemError;
  if (thrown.code !== 'ELOOP' && thrown.code !== 'EMLINK') return thrown;
  return systemError(-ELOOP, 'open', { path, detail: 'refused: it is a symbolic link' });
}
