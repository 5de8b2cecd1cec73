// The files at 0, 1 and 2: standard streams, or other files that got the number of a closed one.
import { constants, fstatSync, openSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { native } from '../addon/native.js';
import { invalidState } from '../base/errors.js';
import type { Identity } from '../system/types.js';

const STANDARD = [0, 1, 2] as const;
const NULL_FLAGS = constants.O_RDWR | constants.O_NOCTTY;

/**
 * Opens /dev/null at those of 0, 1 and 2 that are closed, as Node does when it starts
 * (PlatformInit() in its src/node.cc). Otherwise the next opened file would get the number, and the
 * redirection to a log would replace it.
 *
 * @returns the numbers.
 */
export function occupyStandard(): number[] {
  return STANDARD.filter((fd) => {
    // open(2) returns the lowest free number.
    return native.closeOnExec(fd) < 0 && openSync('/dev/null', NULL_FLAGS) === fd;
  });
}

/** The files of the standard streams, from the start or from a redirection. */
const known = new Map<number, Identity>();

/** Records that the present file of a standard descriptor is its stream. */
export function standardPlaced(fd: number): void {
  if (fd > 2) return;
  const { dev, ino } = fstatSync(fd, { bigint: true });
  known.set(fd, { dev, ino });
}

/**
 * Records that a file which was there before the package was loaded belongs to the script, not to
 * the starter.
 */
export function standardTaken(fd: number): void {
  known.delete(fd);
}

const STREAMS = ['stdin', 'stdout', 'stderr'] as const;

/**
 * Whether the script uses the socket or pipe for something else than a standard stream. A stream
 * other than that of the descriptor counts only for network sockets: the script may have replaced
 * process.stdout, and the old stream then has a pipe, or the Unix socket of a parent that runs
 * Node.
 */
function usedOtherwise(fd: number): boolean {
  if (!native.handleDescriptors().includes(fd)) return false;
  try {
    const stream = process[STREAMS[fd as 0 | 1 | 2]] as { _handle?: { fd: number } | null };
    return stream._handle?.fd !== fd && native.localPort(fd) > 0;
  } catch {
    return true; // EEXIST: libuv has a handle for the descriptor already
  }
}

const DIRECTIONS = ['reading', 'writing', 'both'];

/**
 * Describes a file that is not a standard stream; undefined for a standard stream or a closed
 * descriptor.
 */
function stranger(fd: number): string | undefined {
  if (native.closeOnExec(fd) < 0) return undefined;
  if (native.isListening(fd) === 1) return 'a socket that listens';
  const found = fstatSync(fd, { bigint: true });
  const flows = found.isSocket() || found.isFIFO();
  if (flows && usedOtherwise(fd)) return `a ${found.isSocket() ? 'socket' : 'pipe'} in use`;
  const before = known.get(fd);
  if (before?.dev === found.dev && before.ino === found.ino) return undefined;
  if (found.isCharacterDevice()) return undefined;
  if (found.isSocket()) return 'a socket';
  if (!found.isFile() && !found.isFIFO()) return 'no file';
  const direction = native.accessMode(fd);
  // The script may have opened a file there to read its input or write its output.
  return direction === (fd === 0 ? 0 : 1) ? undefined : `a file open for ${DIRECTIONS[direction]}`;
}

/**
 * Throws if the script has its own file at one of these numbers, which a redirection would close.
 *
 * @throws `ERR_INVALID_STATE`.
 */
export function expectStandard(fds: readonly number[]): void {
  for (const fd of fds) {
    const what = fd > 2 ? undefined : stranger(fd);
    if (what === undefined) continue;
    throw invalidState(
      `descriptor ${fd} is ${what} and would be replaced: open it while 0, 1 and 2 are in use, or dup() it`,
    );
  }
}

/** Runs when the package is loaded. Files that the script opens later get other numbers. */
export function recordStandard(): void {
  if (!isMainThread) return;
  try {
    occupyStandard();
    STANDARD.forEach(standardPlaced);
  } catch {
    // There is no /dev/null, for example in a chroot.
  }
}
