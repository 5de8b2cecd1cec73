// Which file a path leads to.
import { fstatSync, lstatSync } from 'node:fs';

/** Whether `path` itself, not what a link of that name leads to, is the open file `fd`. */
export function sameFile(fd: number, path: string): boolean {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  const ours = fstatSync(fd, { bigint: true });
  return found?.dev === ours.dev && found.ino === ours.ino;
}
