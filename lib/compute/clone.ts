// Serializes a value and restores it, with the semantics of structuredClone(), except that a Buffer
// stays a Buffer. Large buffers are separate parts, so that they are copied only once.
import { types } from 'node:util';
import { Deserializer, Serializer } from 'node:v8';

/** Buffers of this size and above are separate parts. */
const LARGE = 64 * 1024;

/** How many objects are searched for ArrayBuffers without a view. */
const LOOK = 10_000;

const VIEWS = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
];

/** The number of a view's class. For the classes in {@link VIEWS} it is their index. */
const BUFFER = VIEWS.length;
const DATA_VIEW = VIEWS.length + 1;
/** Any other view, such as a Float16Array, in V8's own form. */
const NATIVE = VIEWS.length + 2;

/** How the bytes of a Buffer are written: within the stream, or as a part. */
const INLINE = 0;
const PART = 1;

export interface Cloned {
  head: Buffer;
  parts: readonly Uint8Array[];
}

/** The error of structuredClone(). */
const cloneError = (message: string) => new DOMException(message, 'DataCloneError');

/**
 * Methods of the two classes that are missing in their types. Node's own v8.serialize() uses them.
 */
interface Hooks {
  _setTreatArrayBufferViewsAsHostObjects(on: boolean): void;
}

/** Tells the class of a typed array of any realm. */
const nameOf = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)?.get as () => string;

function classOf(view: ArrayBufferView): number {
  if (Buffer.isBuffer(view)) return BUFFER;
  const { resizable, byteLength } = view.buffer as ArrayBuffer & { resizable?: boolean };
  // The view may follow the buffer's size; and the buffer may be detached, if it has no bytes.
  if (resizable === true || byteLength === 0) return NATIVE;
  if (types.isDataView(view)) return DATA_VIEW;
  // Not instanceof: the view may be of another realm, such as node:vm's.
  const name = nameOf.call(view);
  const kind = VIEWS.findIndex((one) => one.name === name);
  return kind < 0 ? NATIVE : kind;
}

const isShared = (buffer: ArrayBufferLike) =>
  Object.prototype.toString.call(buffer) === '[object SharedArrayBuffer]';

/** Writes a view of a buffer that the reader has already. */
class ViewWriter extends Serializer {
  _getDataCloneError(message: string): Error {
    return cloneError(message);
  }
}

function nativeView(view: ArrayBufferView): Buffer {
  const writer = new ViewWriter();
  writer.transferArrayBuffer(0, view.buffer as ArrayBuffer);
  writer.writeHeader();
  writer.writeValue(view);
  return writer.releaseBuffer();
}

/** A Buffer without bytes may be a view of a detached ArrayBuffer. */
function expectAttached(buffer: ArrayBufferLike): void {
  try {
    new Uint8Array(buffer);
  } catch {
    throw cloneError('An ArrayBuffer is detached and could not be cloned.');
  }
}

class Writer extends Serializer {
  readonly parts: Uint8Array[] = [];
  readonly #announced = new Set<ArrayBuffer>();

  constructor() {
    super();
    (this as unknown as Hooks)._setTreatArrayBufferViewsAsHostObjects(true);
  }

  _getDataCloneError(message: string): Error {
    return cloneError(message);
  }

  _getSharedArrayBufferId(): never {
    throw cloneError('#<SharedArrayBuffer> could not be cloned: a child has a copy of its memory.');
  }

  _writeHostObject(object: object): void {
    if (!ArrayBuffer.isView(object)) throw cloneError(`${object} could not be cloned.`);
    if (isShared(object.buffer)) this._getSharedArrayBufferId();
    const kind = classOf(object);
    this.writeUint32(kind);
    // Most Buffers are slices of a pool.
    if (kind === BUFFER) this.#writeBytes(object as Buffer);
    else this.#writeView(kind, object);
  }

  /** Makes a large ArrayBuffer a part, before the serializer reaches it. */
  announce(buffer: ArrayBuffer): void {
    const { resizable } = buffer as ArrayBuffer & { resizable?: boolean };
    // A part has no room to grow.
    if (buffer.byteLength < LARGE || resizable === true || this.#announced.has(buffer)) return;
    this.#announced.add(buffer);
    this.transferArrayBuffer(this.parts.push(new Uint8Array(buffer)) - 1, buffer);
  }

  #writeBytes(bytes: Buffer): void {
    if (bytes.length === 0) expectAttached(bytes.buffer);
    this.writeUint32(bytes.length < LARGE ? INLINE : PART);
    this.writeDouble(bytes.length);
    if (bytes.length < LARGE) this.writeRawBytes(bytes);
    else this.writeUint32(this.parts.push(bytes) - 1);
  }

  /** The buffer is a value of its own, so that it keeps its identity if it occurs again. */
  #writeView(kind: number, view: ArrayBufferView): void {
    const buffer = view.buffer as ArrayBuffer;
    this.announce(buffer);
    this.writeValue(buffer);
    if (kind === NATIVE) {
      const bytes = nativeView(view);
      this.writeUint32(bytes.length);
      this.writeRawBytes(bytes);
      return;
    }
    this.writeDouble(view.byteOffset);
    this.writeDouble(kind === DATA_VIEW ? view.byteLength : (view as Uint8Array).length);
  }
}

class Reader extends Deserializer {
  readonly #parts: readonly ArrayBuffer[];

  constructor(head: Uint8Array, parts: readonly ArrayBuffer[]) {
    super(head);
    this.#parts = parts;
    for (const [id, part] of parts.entries()) this.transferArrayBuffer(id, part);
  }

  _readHostObject(): ArrayBufferView {
    const kind = this.readUint32();
    if (kind === BUFFER) return this.#readBytes();
    const buffer = this.readValue() as ArrayBuffer;
    if (kind === NATIVE) return this.#readView(buffer);
    const [offset, length] = [this.readDouble(), this.readDouble()];
    const View = (VIEWS[kind] ?? DataView) as DataViewConstructor;
    return new View(buffer, offset, length);
  }

  #readBytes(): Buffer {
    const how = this.readUint32();
    const length = this.readDouble();
    // A copy, because the stream's memory is reused.
    if (how === INLINE) return Buffer.from(this.readRawBytes(length));
    return Buffer.from(this.#parts[this.readUint32()] as ArrayBuffer);
  }

  #readView(buffer: ArrayBuffer): ArrayBufferView {
    const reader = new Deserializer(this.readRawBytes(this.readUint32()));
    reader.transferArrayBuffer(0, buffer);
    reader.readHeader();
    return reader.readValue();
  }
}

/**
 * The ArrayBuffers of a value. An ArrayBuffer without a view, deep in a large graph, is not found;
 * V8 then copies it into the stream.
 */
function* buffersIn(value: unknown): Generator<ArrayBuffer> {
  const seen = new Set<unknown>([value]);
  for (const one of seen) {
    if (types.isArrayBuffer(one)) yield one;
    if (typeof one !== 'object' || one === null || types.isProxy(one)) continue;
    if (ArrayBuffer.isView(one)) continue;
    if (seen.size > LOOK) return;
    if (types.isMap(one)) for (const pair of one) seen.add(pair[0]).add(pair[1]);
    else if (types.isSet(one)) for (const item of one) seen.add(item);
    else addProperties(one, seen);
  }
}

/** Does not call getters: the copy calls each getter once. */
function addProperties(object: object, seen: Set<unknown>): void {
  if (Array.isArray(object) && object.length > LOOK) return;
  for (const key of Object.keys(object)) {
    const property = Object.getOwnPropertyDescriptor(object, key);
    if (typeof property?.value === 'object') seen.add(property.value);
  }
}

/** @throws a `DataCloneError` for what cannot be copied, and what a getter throws. */
export function clone(value: unknown): Cloned {
  const writer = new Writer();
  for (const buffer of buffersIn(value)) writer.announce(buffer);
  writer.writeHeader();
  writer.writeValue(value);
  return { head: writer.releaseBuffer(), parts: writer.parts };
}

/** Restores the value; its large buffers are the parts. */
export function revive(head: Uint8Array, parts: readonly ArrayBuffer[]): unknown {
  const reader = new Reader(head, parts);
  reader.readHeader();
  return reader.readValue();
}
