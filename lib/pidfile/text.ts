// The content of a pidfile: a pid and a newline, which some programs omit. More newlines appear
// while a pid replaces a longer one.
import { readSync } from 'node:fs';

/** Longer than any pid, so that longer invalid content is recognized. */
const LONGEST = 16;

/** The pid in an open file; undefined if it is empty, NaN if something else is in it. */
export function readPid(fd: number): number | undefined {
  const bytes = Buffer.alloc(LONGEST);
  const text = bytes.toString('latin1', 0, readSync(fd, bytes, 0, LONGEST, 0));
  if (text === '') return undefined;
  return /^[1-9]\d{0,9}\n*$/.test(text) ? Number(text) : Number.NaN;
}
