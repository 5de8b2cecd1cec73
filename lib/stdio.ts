// The standard streams of a process whose descriptors 0-2 become other files.
import { writeSync } from 'node:fs';
import { check } from './errors.js';
import { native } from './native.js';

/** What Node's standard streams have when they are terminals, pipes or sockets. */
interface Handle {
  close(): void;
}

interface HandleStream {
  _handle?: Handle | null;
  _write?: unknown;
  _writev?: unknown;
  _refreshSize?: () => void;
  setRawMode?: (mode: boolean) => unknown;
  readableEnded?: boolean;
  push?(chunk: null): boolean;
}

type Callback = (error?: Error | null) => void;

/** Closes the libuv handle beneath a stream; false if there is none, as with files. */
function release(stream: HandleStream): boolean {
  if (!stream._handle) return false;
  stream._handle.close();
  stream._handle = null;
  for (const name of ['isTTY', 'isRaw', 'columns', 'rows']) {
    Object.defineProperty(stream, name, { value: undefined, configurable: true, writable: true });
  }
  return true;
}

/** Gives a stream that was a terminal or pipe what Node's streams for files have. */
function writeTo(stream: HandleStream, fd: number): void {
  if (!release(stream)) return;
  stream._writev = null;
  stream._write = (chunk: Buffer | string, encoding: BufferEncoding, done: Callback) => {
    try {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk;
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    } catch (error) {
      done(error as Error);
      return;
    }
    done();
  };
  // Node's listener for SIGWINCH asks the handle.
  stream._refreshSize = () => {};
}

function endInput(stream: HandleStream): void {
  if (!release(stream)) return;
  stream.setRawMode = () => stream;
  if (!stream.readableEnded) stream.push?.(null);
}

/**
 * Points 0, 1 and 2 to other files, and every further descriptor of the terminal too, such that
 * `process.stdin`, `process.stdout`, `process.stderr` and `console` go on working: the same objects,
 * which somebody may have stored, write to the new files, and the input has ended.
 *
 * @param targets - the descriptors that 0, 1 and 2 become copies of; its own number leaves one.
 * @param terminals - other descriptors, which become copies of `targets[0]`.
 * @param epolls - the event loops' epolls, which must forget the old files.
 */
export function redirectStandardStreams(
  targets: readonly [number, number, number],
  terminals: readonly number[],
  epolls: number[],
): void {
  const standard = [...targets.entries()].filter(([fd, target]) => fd !== target);
  const others = terminals.map((fd) => [fd, targets[0]] as const);
  for (const [fd, target] of [...standard, ...others]) {
    check(native.redirect(fd, target, epolls), 'dup2');
  }
  // A stream that nobody has used yet is created here, and finds the new file.
  const streams = [
    () => endInput(process.stdin as HandleStream),
    () => writeTo(process.stdout as HandleStream, 1),
    () => writeTo(process.stderr as HandleStream, 2),
  ];
  for (const [fd] of standard) streams[fd]?.();
}
