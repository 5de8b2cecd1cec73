// The names of the addon's numbers. The addon has the same list.
import { native } from './native.js';

/** The names that lib/ uses; test/platforms.test.ts compares them with the addon's. */
export const NAMES = {
  /** cpp/sys/launcher.h: the outcome of a daemon's start. */
  births: [
    'ready',
    'failed',
    'died',
    'middleDied',
    'closed',
    'timeout',
    'interrupted',
    'error',
    'callFailed',
  ],
  /** cpp/sys/dispositions.h: what a signal does. */
  dispositions: ['default', 'ignored', 'runtime', 'flag', 'foreign'],
  /** cpp/sys/trusted_open.h: the outcome of opening a file. */
  found: ['file', 'made', 'room', 'link', 'foreignLink', 'openDirectory', 'fifo'],
} as const;

export type Names = typeof NAMES;

/** The name of a number; undefined for a negative one, which is an -errno. */
export function nameOf<L extends keyof Names>(
  list: L,
  number: number,
): Names[L][number] | undefined {
  return native.names[list][number] as Names[L][number] | undefined;
}
