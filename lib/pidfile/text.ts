// What a pidfile says: a process id and a newline, which some leave out; more of them while one number takes
// the place of another, which may be longer.
import { readSync } from 'node:fs';

/** Longer than any pid, so that longer nonsense is seen to be longer. */
const LONGEST = 16;

/** The pid in an open file; undefined if it is empty, NaN if something else is in it. */
export function readPid(fd: number): number | undefined {
  const bytes = Buffer.alloc(LONGEST);
  const text = bytes.toString('latin1', 0, readSync(fd, bytes, 0, LONGEST, 0));
  if (text === '') return undefined;
  return /^[1-9]\d{0,9}\n*$/.test(text) ? Number(text) : Number.NaN;
}
