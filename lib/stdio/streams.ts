// The standard streams of a process whose descriptors 0-2 become other files.
import { native } from '../addon/native.js';
import { check } from '../base/errors.js';
import { type HandleStream, mayHaveHandle, outputs } from '../posix/outputs.js';
import { standardPlaced } from '../posix/standard.js';
import { LogWriter } from './log-writer.js';

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

const bytesOf = (chunk: Buffer | string, encoding: string) =>
  typeof chunk === 'string' ? Buffer.from(chunk, encoding as BufferEncoding) : chunk;

/** What was written to a stream before its descriptor became another file. */
interface Queue {
  /** What the old file did not take. */
  rest: Buffer;
  /** How many of the chunks that the stream itself holds are in it, or were taken. */
  chunks: number;
}

const EMPTY: Queue = { rest: Buffer.alloc(0), chunks: 0 };

/** Milliseconds that a pipe nobody reads may hold a redirection up. */
const LAST_WORDS_MS = 1000;

/** Has the old file take what was written before. */
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
 * Gives a stream what Node's streams for files have, but that a write does not fail: an error would
 * end the process, or this stream for good.
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
  // Node's listener for SIGWINCH asks the handle.
  stream._refreshSize = () => {};
  log.write(queue.rest);
  // Closing the handle would fail them. Now, as a stream that waits for them keeps what is written
  // next to itself, and process.exit() would lose that.
  native.completeWrites(stream._handle.fd);
  release(stream);
}

function endInput(stream: HandleStream): void {
  if (!release(stream)) return;
  stream.setRawMode = () => stream;
  if (!stream.readableEnded) stream.push?.(null);
}

/**
 * Points standard descriptors to other files, and other descriptors of the terminal too, such that
 * `process.stdin`, `process.stdout`, `process.stderr` and `console` go on working: the same objects,
 * which somebody may have stored, write to the new files, and the input has ended. What was written
 * before still goes to the old file, as far as that takes it within a second; the rest comes first
 * in the new one.
 *
 * @param moves - what descriptor becomes a copy of which other.
 * @param epolls - the event loops' epolls, which must forget the old files.
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
  // A stream that nobody has used yet is created here, and finds the new file.
  for (const [fd] of moves) {
    const stream = outputs.get(fd);
    if (stream !== undefined) writeTo(stream(), fd, queues.get(fd) ?? EMPTY);
    else if (fd === 0) endInput(process.stdin as HandleStream);
  }
}
