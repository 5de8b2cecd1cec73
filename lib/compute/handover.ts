// A child passes its result in an unnamed file, which the parent reads when the child has ended.
// Large parts are mapped, not read, so that they are copied only once, by the child.
import { readSync, writeSync } from 'node:fs';
import { native } from '../addon/native.js';
import { systemError } from '../base/errors.js';
import { type Cloned, revive } from './clone.js';

/** A multiple of all page sizes from 4 kB to 64 kB. */
const ALIGNMENT = 64 * 1024;

/** The header of the file; the sizes of the parts follow. */
const FIELDS = ['complete', 'kind', 'head', 'parts'] as const;

/** A small result is read into this by one call. */
const first = Buffer.alloc(ALIGNMENT);

/** One write(2) on Linux takes at most 2 GiB less a page. */
const MOST = 2 ** 30;

const aligned = (size: number) => Math.ceil(size / ALIGNMENT) * ALIGNMENT;

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let at = 0; at < bytes.length; ) {
    at += writeSync(fd, bytes, at, Math.min(bytes.length - at, MOST), position + at);
  }
}

const numbersIn = (bytes: Uint8Array) => Array.from(new Float64Array(new Uint8Array(bytes).buffer));

const asBytes = (numbers: readonly number[]) => new Uint8Array(new Float64Array(numbers).buffer);

/** The size of the complete file. */
function sizeOf(head: number, parts: readonly number[]): number {
  const begin = 8 * (FIELDS.length + parts.length) + head;
  const last = parts.at(-1);
  if (last === undefined) return begin;
  return aligned(begin) + parts.slice(0, -1).reduce((sum, size) => sum + aligned(size), last);
}

/** In the child. */
export function handOver(fd: number, kind: number, { head, parts }: Cloned): void {
  const sizes = parts.map(({ byteLength }) => byteLength);
  const prefix = asBytes([sizeOf(head.length, sizes), kind, head.length, parts.length, ...sizes]);
  writeAll(fd, prefix, 0);
  writeAll(fd, head, prefix.length);
  let at = prefix.length + head.length;
  for (const part of parts) {
    at = aligned(at);
    writeAll(fd, part, at);
    at += part.length;
  }
}

function mapped(fd: number, offset: number, sizes: readonly number[]): ArrayBuffer[] {
  if (sizes.length === 0) return [];
  const buffers = native.mapFile(fd, offset, sizes, ALIGNMENT);
  if (typeof buffers === 'number') throw systemError(buffers, 'mmap');
  return buffers;
}

/** The first bytes of the file: the bytes that were read already, or a mapping. */
function prefixOf(fd: number, read: number, size: number): Uint8Array {
  if (size <= read) return first.subarray(0, size);
  return new Uint8Array(mapped(fd, 0, [size])[0] as ArrayBuffer);
}

/**
 * In the parent, when the child has ended.
 *
 * @param size - the file's size.
 * @returns undefined if the file is empty or incomplete.
 */
export function takeOver(fd: number, size: number): { kind: number; value: unknown } | undefined {
  const read = readSync(fd, first, 0, first.length, 0);
  if (read < 8 * FIELDS.length) return undefined;
  const number = (at: number) => first.readDoubleLE(8 * at);
  const [complete, kind, head, count] = [number(0), number(1), number(2), number(3)];
  if (complete !== size) return undefined;
  const begin = 8 * (FIELDS.length + count);
  const prefix = prefixOf(fd, read, begin + head);
  const sizes = numbersIn(prefix.subarray(8 * FIELDS.length, begin));
  const parts = mapped(fd, aligned(begin + head), sizes);
  return { kind, value: revive(prefix.subarray(begin), parts) };
}
