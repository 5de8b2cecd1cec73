// Compares with the parent process's open files, to prove that a descriptor was inherited. The
// proof does not depend on time, so a file that a module opened before daemonkit was loaded does
// not count as inherited.
import { system } from '../system/system.js';
import type { Entry, OtherFile } from '../system/types.js';

/**
 * The parent's descriptors; undefined if the parent has ended, is not visible, or belongs to
 * another user.
 */
export type Parent = readonly OtherFile[] | undefined;

/** Types that cannot be opened by name: the kernel's name stands for one object. */
const UNIQUE = ['socket', 'pipe'];

/**
 * Whether the parent has the same open file (struct file), with the same offset and lock. Where
 * kcmp(2) does not work (a seccomp filter, FreeBSD), a file that was passed on must be
 * distinguished from one that both have opened by name. A passed file has the same number and
 * offset, and is not close-on-exec in the parent.
 */
export function parentHas(entry: Entry, parent: readonly OtherFile[]): boolean {
  const named = parent.filter(({ target }) => target === entry.target);
  if (named.length === 0) return false;
  const same = named.map(({ fd }) => system.sameAsOfParent(entry.fd, fd));
  if (same.includes(true)) return true;
  if (!same.includes(undefined)) return false;
  if (UNIQUE.includes(entry.type)) return true;
  return named.some(({ fd }) => fd === entry.fd && system.passedByParent(fd));
}

/**
 * Whether a descriptor was there before the program. A module's descriptor must not be closed: the
 * next file would get its number, and the module would write to that file. So a proof is needed,
 * except for a pipe whose other end is in another process: a shell leaves the ends of `<(...)` open
 * when it becomes the program, and a process waits for the end of the pipe. (libuv gives its
 * children sockets, not pipes.)
 */
export function fromStarter(entry: Entry, parent: Parent, here: readonly Entry[]): boolean {
  const ends = here.filter(({ target }) => target === entry.target);
  const both = ends.some(({ readable }) => readable) && ends.some(({ writable }) => writable);
  if (entry.type === 'pipe' && !both) return true;
  return parent !== undefined && parentHas(entry, parent);
}
