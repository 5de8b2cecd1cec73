// process.stdout and process.stderr, as far as libuv has a handle beneath them, and what they have not
// written yet.
import { isatty } from 'node:tty';
import { native } from '../addon/native.js';

/** What Node's standard streams have when they are terminals, pipes or sockets. */
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

/** By their descriptors. To call one is to make the stream, if nobody has used it yet. */
export const outputs = new Map([
  [1, () => process.stdout as HandleStream],
  [2, () => process.stderr as HandleStream],
]);

/** Whether a standard stream may have a handle, without making the stream. */
export function mayHaveHandle(fd: number, handles: readonly number[]): boolean {
  return handles.some((handle) => handle === fd || (handle > 2 && isatty(handle)));
}

/** Has their files take what was written to them before, as far as they do within a time; `but` leaves some out. */
export function flushOutputs(milliseconds: number, but: readonly number[] = []): void {
  const handles = native.handleDescriptors();
  const deadline = performance.now() + milliseconds;
  for (const [fd, stream] of outputs) {
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
    // The stream gives the handle what it has itself then.
    native.completeWrites(fd);
  }
}
