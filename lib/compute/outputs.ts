// Standard output and error in a child that may end at once.
import { native } from '../addon/native.js';
import { setValue } from '../atfork/originals.js';
import { invalidArgType } from '../base/errors.js';
import { INT_MAX } from '../base/validate.js';
import { flushOutputs, mayHaveHandle, type Outputs } from '../posix/outputs.js';

/** Descriptors whose streams write directly. */
const own: number[] = [];

type Written = (error?: Error | null) => void;

/** Refuses what a stream's own write() refuses. */
function bytesOf(chunk: unknown, encoding: BufferEncoding | undefined): Uint8Array {
  if (typeof chunk === 'string') return Buffer.from(chunk, encoding);
  if (ArrayBuffer.isView(chunk)) {
    return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }
  if (chunk !== null) {
    throw invalidArgType('chunk', 'a string, Buffer, TypedArray or DataView', chunk);
  }
  const error = new TypeError('May not write null values to stream');
  throw Object.assign(error, { code: 'ERR_STREAM_NULL_VALUES' });
}

/**
 * Replaces a stream's write(). Otherwise data that a pipe does not accept at once would wait behind
 * the parent's queue.
 */
function writer(fd: number) {
  return (chunk: unknown, encoding?: BufferEncoding | Written, written?: Written): boolean => {
    const how = typeof encoding === 'string' ? encoding : undefined;
    native.writeWithin(fd, bytesOf(chunk, how), INT_MAX);
    const told = typeof encoding === 'function' ? encoding : written;
    if (told) process.nextTick(told);
    return true;
  };
}

/** Data that the parent has queued, because its pipe is full, remains the parent's to write. */
export function takeOutputs(of: Outputs): void {
  const handles = native.handleDescriptors();
  for (const [fd, streamOf] of of) {
    if (!mayHaveHandle(fd, handles)) continue;
    const stream = streamOf();
    const file = stream._handle?.fd;
    if (file === undefined) continue;
    setValue(stream, 'write', writer(file));
    own.push(fd);
  }
}

/** Before the exit: streams that were made later have their own queues. */
export function flushOwn(of: Outputs): void {
  flushOutputs(INT_MAX, own, of);
}
