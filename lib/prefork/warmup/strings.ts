// The first read of some strings writes memory. A concatenated string consists of two strings until
// it is first read as a whole; then V8 makes it one, and writes to the page of the old one. So all
// strings are read before the fork.
import { types } from 'node:util';
import { runInThisContext } from 'node:vm';
import { withFlags } from './flags.js';
import { Inspector } from './inspector.js';

/** Examining a function takes a third of a millisecond. Functions near the roots come first. */
const MAX_FUNCTIONS = 256;
const MAX_QUESTIONS_MS = 150;
/** A Set holds at most 2^24 values. */
const MAX_SEEN = 2 ** 23;
/**
 * An object that takes no more reads than this is read again each time, instead of being
 * remembered.
 */
const SMALL = 64;

const { keys, getOwnPropertyDescriptor, getPrototypeOf, defineProperty } = Object;
const { prototype: ofArrays } = Array;
const { forEach: eachOfMap } = Map.prototype;
const { forEach: eachOfSet } = Set.prototype;
const { indexOf, valueOf: textOf } = String.prototype;

/** The global through which the inspector gets the function and returns what it has found. */
const PLACE = 'daemonkit.scopes';
const AT_PLACE = `globalThis[Symbol.for('${PLACE}')]`;
const GROUP = { objectGroup: PLACE };

/** The variables in the scopes of functions, which only the inspector shows. */
class Scopes {
  readonly #inspector: Inspector;
  #left = MAX_FUNCTIONS;
  #spent = 0;

  constructor(inspector: Inspector) {
    this.#inspector = inspector;
  }

  of(func: object): object[] {
    if (this.#left === 0 || this.#spent > MAX_QUESTIONS_MS) return [];
    this.#left--;
    const start = performance.now();
    const found: object[] = [];
    const place = Symbol.for(PLACE);
    // An array without a prototype. Its objects also have a description.
    const take = (scopes: ArrayLike<{ object: object }>) => {
      for (const { object } of Array.from(scopes)) if (object !== globalThis) found.push(object);
    };
    defineProperty(globalThis, place, { value: { func, take }, configurable: true });
    try {
      this.#find();
    } finally {
      Reflect.deleteProperty(globalThis, place);
      this.#spent += performance.now() - start;
    }
    return found;
  }

  #find(): void {
    const inspector = this.#inspector;
    const expression = `${AT_PLACE}.func`;
    const objectId = inspector.ask('Runtime.evaluate', { expression, ...GROUP }).result?.objectId;
    if (objectId === undefined) return;
    const own = { objectId, ownProperties: true };
    const { internalProperties } = inspector.ask('Runtime.getProperties', own);
    const scopes = internalProperties?.find(({ name }) => name === '[[Scopes]]')?.value;
    if (scopes?.objectId !== undefined) {
      const functionDeclaration = `function () { ${AT_PLACE}.take(this); }`;
      inspector.ask('Runtime.callFunctionOn', { objectId: scopes.objectId, functionDeclaration });
    }
    inspector.ask('Runtime.releaseObjectGroup', GROUP);
  }
}

type Test = (array: object) => boolean;

/**
 * Tests whether V8 keeps an array's elements in a table, because they are far apart (a million
 * holes between two of them) or have getters. No public call shows this, and reading a descriptor
 * for each element would take half a second for a million.
 */
function sparseTest(): Test {
  try {
    const flags = [['--allow-natives-syntax', '--no-allow-natives-syntax']] as const;
    return withFlags(flags, () => {
      const test = runInThisContext('(array) => %HasDictionaryElements(array)') as Test;
      // The first call compiles it.
      test([]);
      return test;
    });
  } catch {
    return () => true;
  }
}

/** Reads everything that can be reached from some objects, each object once. */
class Reader {
  /** The result is not needed, but a compiler would omit a search without a use of its result. */
  found = 0;
  readonly #scopes: Scopes;
  readonly #isSparse = sparseTest();
  readonly #seen = new Set<object>();
  readonly #ahead: object[] = [];
  readonly #functions: object[] = [];

  constructor(scopes: Scopes) {
    this.#scopes = scopes;
  }

  run(roots: readonly unknown[]): void {
    for (const root of roots) {
      this.#take(root);
      this.#readAhead();
    }
    // The set grows during the loop.
    for (const one of this.#functions) {
      for (const scope of this.#scopes.of(one)) this.#take(scope);
      this.#readAhead();
    }
  }

  #readAhead(): void {
    for (let one = this.#ahead.pop(); one !== undefined; one = this.#ahead.pop()) this.#read(one);
  }

  #take(value: unknown): void {
    if (typeof value === 'string') this.found += indexOf.call(value, ' ', value.length - 1);
    else if (typeof value === 'function' || (typeof value === 'object' && value !== null)) {
      this.#ahead.push(value);
    }
  }

  #read(one: object): void {
    // A proxy's trap would run the program's code. Typed arrays contain no strings.
    if (types.isProxy(one) || ArrayBuffer.isView(one) || this.#seen.has(one)) return;
    const before = this.#ahead.length;
    const reads = this.#inside(one);
    const leaf = this.#ahead.length === before && reads <= SMALL && typeof one !== 'function';
    if (!leaf && this.#seen.size < MAX_SEEN) this.#seen.add(one);
  }

  /** Reads an object, and returns the number of reads. */
  #inside(one: object): number {
    // With another prototype, reading a hole could run the program's code.
    if (Array.isArray(one) && getPrototypeOf(one) === ofArrays && !this.#isSparse(one)) {
      for (let i = 0; i < one.length; i++) this.#take(one[i]);
      return one.length;
    }
    if (typeof one === 'function') this.#functions.push(one);
    // Each character is a property.
    if (types.isStringObject(one)) {
      this.#take(textOf.call(one));
      return 1;
    }
    if (types.isMap(one)) {
      eachOfMap.call(one, (value, key) => {
        this.#take(key);
        this.#take(value);
      });
    } else if (types.isSet(one)) eachOfSet.call(one, (value) => this.#take(value));
    return this.#properties(one);
  }

  /** Calls no getter, which would run the program's code. */
  #properties(one: object): number {
    // Variables of a module throw until they are initialized.
    if (types.isModuleNamespaceObject(one)) return 0;
    const names = keys(one);
    for (const name of names) this.#take(getOwnPropertyDescriptor(one, name)?.value);
    return names.length;
  }
}

/**
 * Reads all strings that can be reached from some objects and functions: by properties, elements,
 * Maps, Sets, and the scopes of functions.
 */
export function readStrings(roots: readonly unknown[]): void {
  using inspector = Inspector.open();
  if (inspector !== undefined) new Reader(new Scopes(inspector)).run(roots);
}
