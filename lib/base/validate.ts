// Argument checks shared by every family. Each throws before any system call.
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';
import { invalidArgType, invalidArgValue, outOfRange } from './errors.js';
import { didYouMean } from './nearest.js';

export const INT_MAX = 2 ** 31 - 1;
export const INT_MIN = -(2 ** 31);
export const UINT_MAX = 2 ** 32 - 1;

/** An integer within [min, max]. */
export function integer(value: unknown, name: string, min = INT_MIN, max = INT_MAX): number {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value);
  if (value < min || value > max) throw outOfRange(name, `>= ${min} && <= ${max}`, value);
  return value;
}

/** A number within [min, max], with a fraction or not. */
export function number(value: unknown, name: string, min: number, max: number): number {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value);
  if (!(value >= min && value <= max)) throw outOfRange(name, `>= ${min} && <= ${max}`, value);
  return value;
}

export function fileDescriptor(value: unknown, name = 'fd'): number {
  return integer(value, name, 0);
}

/** An array, each element of which `one` checks. */
export function elements<T>(
  value: unknown,
  name: string,
  one: (element: unknown, name: string) => T,
): T[] {
  if (!Array.isArray(value)) throw invalidArgType(name, 'an instance of Array', value);
  // map() would skip holes, and the addon would read a hole as 0.
  return Array.from(value, (element, at) => one(element, `${name}[${at}]`));
}

export function fileDescriptors(value: unknown, name: string): number[] {
  return elements(value, name, fileDescriptor);
}

/** `otherwise` names what the caller accepts besides, for example ` or object`. */
export function boolean(value: unknown, name: string, otherwise = ''): boolean {
  if (typeof value !== 'boolean') throw invalidArgType(name, `of type boolean${otherwise}`, value);
  return value;
}

export function string(value: unknown, name: string): string {
  if (typeof value !== 'string') throw invalidArgType(name, 'of type string', value);
  return value;
}

/** A string without null bytes: the kernel would cut it at the first one. */
export function cString(value: unknown, name: string): string {
  const text = string(value, name);
  if (!text.includes('\0')) return text;
  throw invalidArgValue(name, value, 'must be a string without null bytes');
}

/** A non-empty path without null bytes. */
export function path(value: unknown, name = 'path'): string {
  if (value === '') throw invalidArgValue(name, value, 'must not be empty');
  return cString(value, name);
}

/** A path as for {@link path}, or a file: URL; returned as a string. */
export function filePath(value: unknown, name = 'path'): string {
  return path(value instanceof URL ? fileURLToPath(value) : value, name);
}

export function func(value: unknown, name: string): (...args: never[]) => unknown {
  if (typeof value !== 'function') throw invalidArgType(name, 'of type function', value);
  return value as (...args: never[]) => unknown;
}

/** A function whose work is done when it returns. */
export function syncFunc(value: unknown, name: string): (...args: never[]) => unknown {
  const call = func(value, name);
  if (!types.isAsyncFunction(value)) return call;
  throw invalidArgValue(name, value, 'must not be an async function: its promise is not awaited');
}

/** Throws if a function has returned a promise of any kind: its work is not finished. */
export function expectSync(result: unknown, name: string): void {
  if (!isThenable(result)) return;
  // Otherwise its error would also be an unhandled rejection.
  Promise.resolve(result).catch(() => {});
  throw invalidArgValue(name, result, 'must not return a promise: it is not awaited');
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === 'function';
}

/** An AbortSignal, of this realm or another. */
export function abortSignal(value: unknown, name = 'options.signal'): AbortSignal {
  if (value === null || typeof value !== 'object' || !('aborted' in value)) {
    throw invalidArgType(name, 'an instance of AbortSignal', value);
  }
  return value as AbortSignal;
}

/** An options object: undefined stands for {}, and an unknown key is reported as a mistake. */
export function options<T extends object>(
  value: unknown,
  known: readonly (keyof T & string)[],
  name = 'options',
): Partial<T> {
  if (value === undefined) return {};
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw invalidArgType(name, 'of type object', value);
  }
  for (const key of Object.keys(value)) {
    if (!(known as readonly string[]).includes(key)) {
      throw invalidArgValue(
        `${name}.${key}`,
        (value as Record<string, unknown>)[key],
        `is unknown${didYouMean(key, known)}`,
      );
    }
  }
  return value as Partial<T>;
}

/**
 * The same options under their present names. Former names are still accepted, but no type has
 * them.
 *
 * @param former - former names, each with the present one.
 */
export function renamed(value: unknown, former: Readonly<Record<string, string>>): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  if (!Object.keys(former).some((name) => Object.hasOwn(value, name))) return value;
  const entries = Object.entries(value).map(([name, option]) => {
    const now = Object.hasOwn(former, name) ? former[name] : undefined;
    if (now === undefined || !Object.hasOwn(value, now)) return [now ?? name, option];
    throw invalidArgValue(
      `options.${name}`,
      option,
      `is the former name of ${now}, which is also given`,
    );
  });
  return Object.fromEntries(entries);
}
