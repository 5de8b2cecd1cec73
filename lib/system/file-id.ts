// Which file a descriptor leads to: its number alone may be another file's by now.
import { fstatSync } from 'node:fs';

/** Undefined if nothing is open there. */
export function fstatOf(fd: number): string | undefined {
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
