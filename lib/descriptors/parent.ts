// What the parent process has open too: the proof that a descriptor was inherited. It takes no notice
// of time, so that a file which a module had opened before daemonkit was loaded is not taken for one.
import { system } from '../system/system.js';
import type { Entry, OtherFile } from '../system/types.js';

/** The parent's descriptors; undefined if it has ended, is out of reach, or is another user's. */
export type Parent = readonly OtherFile[] | undefined;

/** Not a file that somebody else can open by its name as well: the name stands for the one object. */
const UNIQUE = ['socket', 'pipe'];

/**
 * Whether the parent has the same open file (struct file): the same place in it, the same lock. Where
 * the kernel does not tell (a seccomp filter, FreeBSD), a file that both have opened by its name is to
 * be told from one that was passed on: that has the same number, is at the same place, and is not
 * closed by execve(2) in the parent.
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
 * Whether a descriptor was there before the program. What a module has opened must not be closed, as
 * its number becomes that of the next file, which the module then writes to. So it takes a proof,
 * except a pipe whose other end is elsewhere: a shell leaves the ends of `<(...)` in what it becomes,
 * and somebody waits for the pipe's end; libuv gives its children sockets.
 */
export function fromStarter(entry: Entry, parent: Parent, here: readonly Entry[]): boolean {
  const ends = here.filter(({ target }) => target === entry.target);
  const both = ends.some(({ readable }) => readable) && ends.some(({ writable }) => writable);
  if (entry.type === 'pipe' && !both) return true;
  return parent !== undefined && parentHas(entry, parent);
}
