// process.stdout and process.stderr with a libuv handle, and their pending output.
import { isatty } from 'node:tty';
import { native } from '../addon/native.js';

/** The handle of a standard stream that is a terminal, pipe or socket. */
export interface Handle {
  fd: number;
  close(): void;
}

export interface HandleStream {
  _handle?: Handle | null;
  _write?: unknown;
  _writev?: unknown;
  _writableState?: { getBuffer?(): { chunk: Buffer | string; encoding: string }[] };
  _refreshSize?: () => void;
  setRawMode?: (mode: boolean) => unknown;
  readableEnded?: boolean;
  push?(chunk: null): boolean;
}

/** The streams by descriptor. Calling a function makes the stream if it has not been used yet. */
export type Outputs = ReadonlyMap<number, () => HandleStream>;

export const outputs: Outputs = new Map([
  [1, () => process.stdout as HandleStream],
  [2, () => process.stderr as HandleStream],
]);

/** Whether a standard stream may have a handle. Does not make the stream. */
export function mayHaveHandle(fd: number, handles: readonly number[]): boolean {
  return handles.some((handle) => handle === fd || (handle > 2 && isatty(handle)));
}

/**
 * Writes the pending output of the streams, as far as their files accept it within the time. `but`
 * excludes some.
 */
export function flushOutputs(
  milliseconds: number,
  but: readonly number[] = [],
  of: Outputs = outputs,
): void {
  const handles = native.handleDescriptors();
  const deadline = performance.now() + milliseconds;
  for (const [fd, stream] of of) {
    if (but.includes(fd)) continue;
    const fileOf = mayHaveHandle(fd, handles) ? stream()._handle?.fd : undefined;
    if (fileOf !== undefined) flush(fileOf, deadline);
  }
}

function flush(fd: number, deadline: number): void {
  for (;;) {
    const queued = native.queuedWrites(fd);
    if (queued.length === 0) return;
    const left = Math.max(Math.ceil(deadline - performance.now()), 0);
    if (native.writeWithin(fd, queued, left) < queued.length) return;
    // Then the stream passes its own buffered data to the handle.
    native.completeWrites(fd);
  }
}
