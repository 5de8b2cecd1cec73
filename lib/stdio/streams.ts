// The standard streams of a process whose descriptors 0-2 are redirected.
import { native } from '../addon/native.js';
import { check } from '../base/errors.js';
import { type HandleStream, mayHaveHandle, outputs } from '../posix/outputs.js';
import { standardPlaced } from '../posix/standard.js';
import { LogWriter } from './log-writer.js';

type Callback = (error?: Error | null) => void;

/** Closes the libuv handle of a stream; false if there is none, as for files. */
function release(stream: HandleStream): boolean {
  if (!stream._handle) return false;
  stream._handle.close();
  stream._handle = null;
  for (const name of ['isTTY', 'isRaw', 'columns', 'rows']) {
    Object.defineProperty(stream, name, { value: undefined, configurable: true, writable: true });
  }
  return true;
}

const bytesOf = (chunk: Buffer | string, encoding: string) =>
  typeof chunk === 'string' ? Buffer.from(chunk, encoding as BufferEncoding) : chunk;

/** Data that was written to a stream before its descriptor was redirected. */
interface Queue {
  /** The data that the old file did not accept. */
  rest: Buffer;
  /** How many chunks of the stream's own buffer are in `rest` or were written. */
  chunks: number;
}

const EMPTY: Queue = { rest: Buffer.alloc(0), chunks: 0 };

/** How many milliseconds a pipe that is not read may block a redirection. */
const LAST_WORDS_MS = 1000;

/** Writes earlier data to the old file. */
function flush(stream: HandleStream): Queue {
  const handle = stream._handle;
  if (!handle) return EMPTY;
  const queued = native.queuedWrites(handle.fd);
  if (queued.length === 0) return EMPTY;
  const chunks = stream._writableState?.getBuffer?.() ?? [];
  const texts = chunks.map(({ chunk, encoding }) => bytesOf(chunk, encoding));
  const all = Buffer.concat([queued, ...texts]);
  const done = native.writeWithin(handle.fd, all, LAST_WORDS_MS);
  return { rest: all.subarray(done), chunks: chunks.length };
}

/**
 * Gives a stream the functions of Node's file streams, except that writes do not fail: an error
 * would end the process, or destroy this stream.
 */
function writeTo(stream: HandleStream, fd: number, queue: Queue): void {
  const log = new LogWriter(fd);
  let { chunks } = queue;
  stream._writev = null;
  stream._write = (chunk: Buffer | string, encoding: string, done: Callback) => {
    if (chunks > 0) chunks--;
    else log.write(bytesOf(chunk, encoding));
    done();
  };
  if (!stream._handle) return;
  // Node's listener for SIGWINCH uses the handle.
  stream._refreshSize = () => {};
  log.write(queue.rest);
  // Closing the handle would make these writes fail. Done now: while a stream waits for writes it
  // buffers the next ones, and process.exit() would lose them.
  native.completeWrites(stream._handle.fd);
  release(stream);
}

function endInput(stream: HandleStream): void {
  if (!release(stream)) return;
  stream.setRawMode = () => stream;
  if (!stream.readableEnded) stream.push?.(null);
}

/**
 * Redirects standard descriptors, and other descriptors of the terminal, so that `process.stdin`,
 * `process.stdout`, `process.stderr` and `console` keep working: the same objects, which a program
 * may have stored, write to the new files, and the input has ended. Earlier output still goes to
 * the old file, as far as that accepts it within a second; the rest comes first in the new file.
 *
 * @param moves - which descriptor becomes a copy of which other one.
 * @param epolls - the event loops' epolls, from which the old files must be removed.
 */
export function redirectStreams(
  moves: readonly (readonly [fd: number, target: number])[],
  epolls: number[],
): void {
  const handles = native.handleDescriptors();
  const queues = new Map<number, Queue>();
  for (const [fd] of moves) {
    const stream = outputs.get(fd);
    if (stream !== undefined && mayHaveHandle(fd, handles)) queues.set(fd, flush(stream()));
  }
  for (const [fd, target] of moves) {
    check(native.redirect(fd, target, epolls), 'dup2');
    standardPlaced(fd);
  }
  // A stream that was not used before is made here, with the new file.
  for (const [fd] of moves) {
    const stream = outputs.get(fd);
    if (stream !== undefined) writeTo(stream(), fd, queues.get(fd) ?? EMPTY);
    else if (fd === 0) endInput(process.stdin as HandleStream);
  }
}
