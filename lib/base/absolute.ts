// Paths relative to the working directory, which may have been removed.
import { readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { systemError } from './errors.js';

/** The directory's former name. The kernel appends " (deleted)": proc_pid_cwd(5). */
function formerName(): string {
  try {
    return readlinkSync('/proc/self/cwd').replace(/ \(deleted\)$/, '');
  } catch {
    return '';
  }
}

/**
 * The absolute path. A path that is absolute already needs no working directory.
 *
 * @throws `ENOENT` (syscall `getcwd`, with `path`) if the working directory has been removed.
 */
export function absolutePath(path: string): string {
  try {
    return resolve(path);
  } catch {
    const gone = formerName();
    const which = gone === '' ? 'the working directory' : `the working directory, ${gone},`;
    const detail = `${which} was removed: change to another one, or give an absolute path`;
    throw systemError(-constants.errno.ENOENT, 'getcwd', { path, detail });
  }
}
