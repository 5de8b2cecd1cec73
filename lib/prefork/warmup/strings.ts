// A program's first reads write. A string that was put together is two strings until it is first read as a
// whole: then V8 makes it one, and writes that to the page of the old one. So it is read before the fork.
import { types } from 'node:util';
import { runInThisContext } from 'node:vm';
import { withFlags } from './flags.js';
import { Inspector } from './inspector.js';

/** A question about a function takes a third of a millisecond; those near the roots are asked about first. */
const MAX_FUNCTIONS = 256;
const MAX_QUESTIONS_MS = 150;
/** A Set holds at most 2^24 values. */
const MAX_SEEN = 2 ** 23;
/** What takes no more reads than this is read again when it is met again, and need not be remembered. */
const SMALL = 64;

const { keys, getOwnPropertyDescriptor, getPrototypeOf, defineProperty } = Object;
const { prototype: ofArrays } = Array;
const { forEach: eachOfMap } = Map.prototype;
const { forEach: eachOfSet } = Set.prototype;
const { indexOf, valueOf: textOf } = String.prototype;

/** Where the inspector finds the function that is asked about, and leaves what it has found. */
const PLACE = 'daemonkit.scopes';
const AT_PLACE = `globalThis[Symbol.for('${PLACE}')]`;
const GROUP = { objectGroup: PLACE };

/** The variables that functions have from around them, which only the inspector can tell. */
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
    // An array without a prototype, of objects that have a description besides.
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
 * Whether V8 keeps the elements in a table: those that are far apart, a million holes between two of them, or that have
 * getters. No public call tells, and a descriptor of each element of all arrays would take half a second for a million.
 */
function sparseTest(): Test {
  try {
    const flags = [['--allow-natives-syntax', '--no-allow-natives-syntax']] as const;
    return withFlags(flags, () => {
      const test = runInThisContext('(array) => %HasDictionaryElements(array)') as Test;
      // It is compiled by its first call.
      test([]);
      return test;
    });
  } catch {
    return () => true;
  }
}

/** Reads what hangs on some objects, each once. */
class Reader {
  /** What is found is not wanted, but a compiler leaves out a search whose result nobody uses. */
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
    // It grows meanwhile.
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
    // A trap would be the program's code. Numbers by the million hold no strings.
    if (types.isProxy(one) || ArrayBuffer.isView(one) || this.#seen.has(one)) return;
    const before = this.#ahead.length;
    const reads = this.#inside(one);
    const leaf = this.#ahead.length === before && reads <= SMALL && typeof one !== 'function';
    if (!leaf && this.#seen.size < MAX_SEEN) this.#seen.add(one);
  }

  /** How many reads that took. */
  #inside(one: object): number {
    // A prototype of the program's would be asked for what is in the holes.
    if (Array.isArray(one) && getPrototypeOf(one) === ofArrays && !this.#isSparse(one)) {
      for (let i = 0; i < one.length; i++) this.#take(one[i]);
      return one.length;
    }
    if (typeof one === 'function') this.#functions.push(one);
    // Each of its characters is a property.
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

  /** No getter is called: it would be the program's code. */
  #properties(one: object): number {
    // A module's variables throw until they are set.
    if (types.isModuleNamespaceObject(one)) return 0;
    const names = keys(one);
    for (const name of names) this.#take(getOwnPropertyDescriptor(one, name)?.value);
    return names.length;
  }
}

/**
 * Reads all strings as a whole that can be reached from some objects and functions, by properties,
 * elements, Maps, Sets, and the variables that functions have from around them.
 */
export function readStrings(roots: readonly unknown[]): void {
  using inspector = Inspector.open();
  if (inspector !== undefined) new Reader(new Scopes(inspector)).run(roots);
}
