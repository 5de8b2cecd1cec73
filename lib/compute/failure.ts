// Converts an error in the child to a value that can be copied, and that value to an error in the
// parent.
import { asError, isError } from '../base/errors.js';
import { clone } from './clone.js';

/** The classes that are restored. Errors of other classes keep only the name. */
const CLASSES = {
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
  AggregateError,
  Error,
} as const;

interface ErrorParts {
  kind: keyof typeof CLASSES | 'DOMException';
  name: string;
  message: string;
  stack: string;
  cause?: Told;
  errors?: Told[];
  /** The error's other own properties, as far as they can be copied. */
  own: [key: string, value: unknown][];
}

/** The thrown value. */
export type Told = { error: ErrorParts } | { value: unknown };

/** The chain of causes may be circular. */
const DEPTH = 16;

const OWN = new Set(['name', 'message', 'stack', 'cause', 'errors']);

/** A property of a thrown object, whose getter may throw. */
function read(object: object, key: string): unknown {
  try {
    return Reflect.get(object, key);
  } catch {
    return undefined;
  }
}

const text = (value: unknown, otherwise: string) => (typeof value === 'string' ? value : otherwise);

function copied(value: unknown): boolean {
  try {
    clone(value);
    return true;
  } catch {
    return false;
  }
}

/** The class of an error of another realm, such as node:vm's, by the names of its prototypes. */
function foreignKind(error: Error, names: (keyof typeof CLASSES)[]) {
  for (let at = Object.getPrototypeOf(error); at !== null; at = Object.getPrototypeOf(at)) {
    const found = Object.hasOwn(at, 'name') && names.find((name) => name === read(at, 'name'));
    if (found) return found;
  }
  return 'Error';
}

function kindOf(error: Error): ErrorParts['kind'] {
  if (error instanceof DOMException) return 'DOMException';
  const names = Object.keys(CLASSES) as (keyof typeof CLASSES)[];
  return names.find((name) => error instanceof CLASSES[name]) ?? foreignKind(error, names);
}

function partsOf(error: Error, depth: number): ErrorParts {
  const kind = kindOf(error);
  const own = Object.keys(error)
    .filter((key) => !OWN.has(key))
    .map((key): [string, unknown] => [key, read(error, key)])
    .filter(([, value]) => copied(value));
  const errors = kind === 'AggregateError' ? read(error, 'errors') : undefined;
  return {
    kind,
    name: text(read(error, 'name'), kind),
    message: text(read(error, 'message'), ''),
    stack: text(read(error, 'stack'), ''),
    ...(Object.hasOwn(error, 'cause') ? { cause: tell(read(error, 'cause'), depth - 1) } : {}),
    ...(Array.isArray(errors) ? { errors: errors.map((one) => tell(one, depth - 1)) } : {}),
    own,
  };
}

/** In the child. The result can be copied, whatever was thrown. */
export function tell(thrown: unknown, depth = DEPTH): Told {
  if (isError(thrown)) {
    return depth > 0 ? { error: partsOf(thrown, depth) } : { value: undefined };
  }
  // Without a cause: that would be the value which cannot be copied, again.
  return copied(thrown) ? { value: thrown } : tell(new Error(asError(thrown).message), depth);
}

function made({ kind, name, message, errors = [] }: ErrorParts): Error {
  if (kind === 'DOMException') return new DOMException(message, name);
  if (kind !== 'AggregateError') return new CLASSES[kind](message);
  return new AggregateError(errors.map(heard), message);
}

/** In the parent: restores what the child has thrown. */
export function heard(told: Told): unknown {
  if ('value' in told) return told.value;
  const { error: parts } = told;
  const error = made(parts);
  const define = (key: string, value: unknown, enumerable = false) =>
    Object.defineProperty(error, key, { value, enumerable, writable: true, configurable: true });
  if (error.name !== parts.name) define('name', parts.name);
  define('stack', parts.stack);
  if (parts.cause !== undefined) define('cause', heard(parts.cause));
  for (const [key, value] of parts.own) define(key, value, true);
  return error;
}
