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
  // Of Node 24 and later.
  ...('Float16Array' in globalThis ? [(globalThis as unknown as Later).Float16Array] : []),
];

interface Later {
  Float16Array: Float32ArrayConstructor;
}

/** The number of a view's class. For the classes in {@link VIEWS} it is their index. */
const BUFFER = VIEWS.length;
const DATA_VIEW = VIEWS.length + 1;

/** How a buffer is written: within the stream, as a reference to an earlier one, or as a part. */
const INLINE = 0;
const KNOWN = 1;
const PART = 2;

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
  if (types.isDataView(view)) return DATA_VIEW;
  // Not instanceof: the view may be of another realm, such as node:vm's.
  const name = nameOf.call(view);
  const kind = VIEWS.findIndex((one) => one.name === name);
  if (kind < 0) throw cloneError(`#<${name}> could not be cloned.`);
  return kind;
}

const isShared = (buffer: ArrayBufferLike) =>
  Object.prototype.toString.call(buffer) === '[object SharedArrayBuffer]';

class Writer extends Serializer {
  readonly parts: Uint8Array[] = [];
  readonly #ids = new Map<ArrayBuffer, number>();

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
    const kind = classOf(object);
    this.writeUint32(kind);
    if (isShared(object.buffer)) this._getSharedArrayBufferId();
    // Most Buffers are slices of a pool.
    if (kind === BUFFER) this.#writeBytes(object as Buffer);
    else this.#writeView(object);
  }

  /** Registers an ArrayBuffer of any size before the serializer reaches it. */
  announce(buffer: ArrayBuffer): void {
    if (buffer.byteLength >= LARGE && !this.#ids.has(buffer)) this.#part(buffer);
  }

  #writeBytes(bytes: Buffer): void {
    this.writeUint32(bytes.length < LARGE ? INLINE : PART);
    this.writeDouble(bytes.length);
    if (bytes.length < LARGE) this.writeRawBytes(bytes);
    else this.writeUint32(this.parts.push(bytes) - 1);
  }

  #writeView(view: ArrayBufferView): void {
    const buffer = view.buffer as ArrayBuffer;
    const known = this.#ids.get(buffer);
    if (known !== undefined) {
      this.writeUint32(KNOWN);
      this.writeUint32(known);
    } else if (buffer.byteLength >= LARGE) {
      this.writeUint32(KNOWN);
      this.writeUint32(this.#part(buffer));
    } else {
      this.writeUint32(INLINE);
      this.writeDouble(buffer.byteLength);
      this.writeRawBytes(new Uint8Array(buffer));
      this.writeUint32(this.#identify(buffer, SMALL));
    }
    this.writeDouble(view.byteOffset);
    this.writeDouble(types.isDataView(view) ? view.byteLength : (view as Uint8Array).length);
  }

  #part(buffer: ArrayBuffer): number {
    return this.#identify(buffer, this.parts.push(new Uint8Array(buffer)) - 1);
  }

  /** An ArrayBuffer that occurs again, in a view or by itself, keeps its identity. */
  #identify(buffer: ArrayBuffer, part: number): number {
    const id = part < SMALL ? part : SMALL + this.#ids.size;
    this.#ids.set(buffer, id);
    this.transferArrayBuffer(id, buffer);
    return id;
  }
}

/** Ids from here on belong to buffers that are not parts. */
const SMALL = 2 ** 30;

class Reader extends Deserializer {
  readonly #parts: readonly ArrayBuffer[];
  readonly #small = new Map<number, ArrayBuffer>();

  constructor(head: Uint8Array, parts: readonly ArrayBuffer[]) {
    super(head);
    this.#parts = parts;
    for (const [id, part] of parts.entries()) this.transferArrayBuffer(id, part);
  }

  _readHostObject(): ArrayBufferView {
    const kind = this.readUint32();
    if (kind === BUFFER) return this.#readBytes();
    const buffer = this.#readBuffer();
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

  #readBuffer(): ArrayBuffer {
    if (this.readUint32() === KNOWN) {
      const id = this.readUint32();
      return (this.#parts[id] ?? this.#small.get(id)) as ArrayBuffer;
    }
    const length = this.readDouble();
    const bytes = this.readRawBytes(length);
    const { buffer } = new Uint8Array(bytes);
    const id = this.readUint32();
    this.#small.set(id, buffer);
    this.transferArrayBuffer(id, buffer);
    return buffer;
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
