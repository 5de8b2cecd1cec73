// What stands at 0, 1 and 2: the standard streams, or what came there because one of them was closed.
import { constants, fstatSync, openSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { native } from '../addon/native.js';
import { invalidState } from '../base/errors.js';
import type { Identity } from '../system/types.js';

const STANDARD = [0, 1, 2] as const;
const NULL_FLAGS = constants.O_RDWR | constants.O_NOCTTY;

/**
 * Opens /dev/null at those of 0, 1 and 2 that are closed, as Node does when it starts (PlatformInit() in
 * its src/node.cc): what is opened next would get the number, and be lost when that becomes a log.
 *
 * @returns the numbers.
 */
export function occupyStandard(): number[] {
  return STANDARD.filter((fd) => {
    // open(2) gives the lowest number that is free.
    return native.closeOnExec(fd) < 0 && openSync('/dev/null', NULL_FLAGS) === fd;
  });
}

/** What the standard streams lead to: since the start, or since a redirection. */
const known = new Map<number, Identity>();

/** Tells that what a standard descriptor leads to now is meant to be its stream. */
export function standardPlaced(fd: number): void {
  if (fd > 2) return;
  const { dev, ino } = fstatSync(fd, { bigint: true });
  known.set(fd, { dev, ino });
}

/** Tells that what is there since before the package was loaded is the script's own, not the starter's. */
export function standardTaken(fd: number): void {
  known.delete(fd);
}

const STREAMS = ['stdin', 'stdout', 'stderr'] as const;

/**
 * Whether the script uses the socket or pipe there for something else than a standard stream. A stream that is
 * not that of the descriptor counts with sockets of the network only: the script may have put another one in
 * the place of process.stdout, whose old one has a pipe then, or the Unix socket of a parent that is a Node.
 */
function usedOtherwise(fd: number): boolean {
  if (!native.handleDescriptors().includes(fd)) return false;
  try {
    const stream = process[STREAMS[fd as 0 | 1 | 2]] as { _handle?: { fd: number } | null };
    return stream._handle?.fd !== fd && native.localPort(fd) > 0;
  } catch {
    return true; // EEXIST: the stream is made just now, and libuv has a handle for the descriptor already
  }
}

const DIRECTIONS = ['reading', 'writing', 'both'];

/** What is there that is no standard stream, in words; undefined if it is one, or nothing. */
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
  // One that the script has opened there to read its input from, or to write its output to.
  return direction === (fd === 0 ? 0 : 1) ? undefined : `a file open for ${DIRECTIONS[direction]}`;
}

/**
 * Throws if the script has something of its own at one of these numbers, which would be lost.
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

/** When the package is loaded: what the script opens from then on gets other numbers. */
export function recordStandard(): void {
  if (!isMainThread) return;
  try {
    occupyStandard();
    STANDARD.forEach(standardPlaced);
  } catch {
    // Without /dev/null, as in a chroot.
  }
}
