// An error of a child's, as a value that can be copied, and as an error of the parent's again.
import { types } from 'node:util';
import { asError } from '../base/errors.js';
import { clone } from './clone.js';

/** The classes that are told apart; any other is by its name. */
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
  /** Its other own properties, as far as they can be copied. */
  own: [key: string, value: unknown][];
}

/** What was thrown. */
export type Told = { error: ErrorParts } | { value: unknown };

/** Causes may be a circle. */
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

function kindOf(error: Error): ErrorParts['kind'] {
  if (error instanceof DOMException) return 'DOMException';
  const names = Object.keys(CLASSES) as (keyof typeof CLASSES)[];
  return names.find((name) => error instanceof CLASSES[name]) ?? 'Error';
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

/** In the child. Whatever was thrown, this can be copied. */
export function tell(thrown: unknown, depth = DEPTH): Told {
  if (!types.isProxy(thrown) && thrown instanceof Error) {
    return depth > 0 ? { error: partsOf(thrown, depth) } : { value: undefined };
  }
  return copied(thrown) ? { value: thrown } : tell(asError(thrown), depth);
}

function made({ kind, name, message, errors = [] }: ErrorParts): Error {
  if (kind === 'DOMException') return new DOMException(message, name);
  if (kind !== 'AggregateError') return new CLASSES[kind](message);
  return new AggregateError(errors.map(heard), message);
}

/** In the parent: what was thrown there. */
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
