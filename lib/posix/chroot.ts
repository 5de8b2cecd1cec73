// chroot(2).
import { isMainThread } from 'node:worker_threads';
import { native } from '../addon/native.js';
import { check, type SystemError, systemError, workerUnsupported } from '../base/errors.js';
import { boolean, filePath, options } from '../base/validate.js';

/** Options of {@link chroot}. */
export interface ChrootOptions {
  /** Also change the working directory to the new root. Default: true. */
  chdir?: boolean | undefined;
}

/**
 * Changes the root directory of the process, for all its threads, and the working directory to it.
 *
 * The change of the working directory is essential: from a working directory outside of the new
 * root, `..` leads back to the old root. `{ chdir: false }` omits it, for callers that have changed
 * directory before; then `process.cwd()` still returns the old path. Open descriptors of outside
 * directories also lead out, and root can leave any chroot: drop privileges afterwards. Before the
 * call, load what the program needs later (modules, ICU and time zone data, /etc/resolv.conf).
 *
 * @param path - the directory that becomes `/`: a string, or a `file:` URL.
 * @param opts - `chdir: false` leaves the working directory alone; see {@link ChrootOptions}.
 * @throws `EPERM` (syscall `chroot`, with `path`) without CAP_SYS_CHROOT (which root has);
 *   `ENOENT`, `ENOTDIR`, `EACCES`, `ELOOP`, `ENAMETOOLONG` for the path. An error with syscall
 *   `chdir` means that the root *has* changed and the working directory has not: the process is not
 *   confined, and should end. `EAGAIN` (syscall `fork`) in a child of fork() whose thread pool has
 *   been busy for ten seconds. `TypeError` (`ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`) for a
 *   path that is empty or has null bytes, for wrong options, or in a Worker
 *   (`ERR_WORKER_UNSUPPORTED_OPERATION`).
 *
 * FreeBSD also refuses (`EPERM`) while a directory is open, see kern.chroot_allow_open_directories.
 *
 * Source: chroot(2), 4.4BSD; for the chdir: daemon(7) step 11 (libdaemon and rtkit omitted it).
 */
export function chroot(path: string | URL, opts?: ChrootOptions): void {
  const root = filePath(path);
  const { chdir = true } = options<ChrootOptions>(opts, ['chdir']);
  boolean(chdir, 'options.chdir');
  if (!isMainThread) throw workerUnsupported('chroot()');
  check(native.chroot(root), 'chroot', { path: root, needs: 'CAP_SYS_CHROOT' });
  if (chdir) enterRoot();
}

function enterRoot(): void {
  try {
    // Not our own chdir(2): process.cwd() has a cache that only this call empties.
    process.chdir('/');
  } catch (error) {
    const detail = 'the root directory was changed, but not the working directory';
    throw systemError((error as SystemError).errno, 'chdir', { path: '/', detail });
  }
}

/** An absolute path as seen from a root directory; undefined if it lies outside. */
export function pathInRoot(path: string, root: string): string | undefined {
  const prefix = root.endsWith('/') ? root : `${root}/`;
  return path.startsWith(prefix) ? path.slice(prefix.length - 1) : undefined;
}
