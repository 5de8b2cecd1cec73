// Standard output and error in a child that may end at once.
import { native } from '../addon/native.js';
import { setValue } from '../atfork/originals.js';
import { INT_MAX } from '../base/validate.js';
import { flushOutputs, mayHaveHandle, outputs } from '../posix/outputs.js';

/** Those that write by themselves. */
const own: number[] = [];

type Written = (error?: Error | null) => void;

/** Stands for a stream's write(): what a pipe does not take at once would wait behind what the parent has queued. */
function writer(fd: number) {
  return (
    chunk: string | Uint8Array,
    encoding?: BufferEncoding | Written,
    written?: Written,
  ): boolean => {
    const how = typeof encoding === 'string' ? encoding : undefined;
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, how) : chunk;
    native.writeWithin(fd, bytes, INT_MAX);
    const told = typeof encoding === 'function' ? encoding : written;
    if (told) process.nextTick(told);
    return true;
  };
}

/** What the parent has written, and its pipe not taken yet, is the parent's to write. */
export function takeOutputs(): void {
  const handles = native.handleDescriptors();
  for (const [fd, streamOf] of outputs) {
    if (!mayHaveHandle(fd, handles)) continue;
    const stream = streamOf();
    const file = stream._handle?.fd;
    if (file === undefined) continue;
    setValue(stream, 'write', writer(file));
    own.push(fd);
  }
}

/** Before the end: streams that were made since have queues of their own. */
export function flushOwn(): void {
  flushOutputs(INT_MAX, own);
}
