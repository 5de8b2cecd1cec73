// Compares a path with an open file.
import { fstatSync, lstatSync } from 'node:fs';

/** Whether `path` itself, and not the target of a link, is the open file `fd`. */
export function sameFile(fd: number, path: string): boolean {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  const ours = fstatSync(fd, { bigint: true });
  return found?.dev === ours.dev && found.ino === ours.ino;
}
