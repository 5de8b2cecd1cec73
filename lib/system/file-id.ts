// Identifies the file of a descriptor, because the number alone may be reused.
import { fstatSync } from 'node:fs';

/** Undefined if the descriptor is closed. */
export function fstatOf(fd: number): string | undefined {
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
