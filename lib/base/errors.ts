// The two kinds of errors that daemonkit throws. Wrong arguments are a TypeError or RangeError as
// Node's own, before any system call. Failed calls have the shape of node:fs errors.
import { constants } from 'node:os';
import { getSystemErrorMap, inspect, types } from 'node:util';

const { set } = Reflect;

/** A failed system call, in the shape `node:fs` gives its errors. */
export interface SystemError extends Error {
  /** The errno's name, for example `EPERM`. */
  code: string;
  /** The negative errno, as in libuv and `node:fs`. */
  errno: number;
  /** The man-page name of the call that failed. */
  syscall: string;
  /** The call's file, if it had one. */
  path?: string;
  /** The second file, for calls with two. */
  dest?: string;
}

// Errors of our calls that libuv, and so getSystemErrorMap(), does not know.
const unknownToLibuv: Record<string, string> = {
  ECHILD: 'no child processes',
  EDEADLK: 'resource deadlock would occur',
  EDQUOT: 'disk quota exceeded',
  ENOLCK: 'no locks available',
  ESTALE: 'stale file handle',
};

function nameAndText(errno: number): [string, string] {
  const known = getSystemErrorMap().get(errno);
  if (known !== undefined) return known;
  const name = Object.entries(constants.errno).find(([, value]) => value === -errno)?.[0];
  return [name ?? `E${-errno}`, unknownToLibuv[name ?? ''] ?? 'unknown error'];
}

/** Details of a failed call. */
export interface ErrorPlace {
  path?: string;
  dest?: string;
  /** Replaces the text of the errno. */
  detail?: string;
  /** The capability that the call needs, for `EPERM`: `CAP_SETUID`. */
  needs?: string;
}

export function systemError(errno: number, syscall: string, at: ErrorPlace = {}): SystemError {
  const [code, text] = nameAndText(errno);
  let message = `${code}: ${at.detail ?? text}, ${syscall}`;
  if (at.path !== undefined) message += ` '${at.path}'`;
  if (at.dest !== undefined) message += ` -> '${at.dest}'`;
  if (at.needs !== undefined && code === 'EPERM') message += ` (needs ${privilege(at.needs)})`;
  const error = new Error(message) as SystemError;
  error.errno = errno;
  error.code = code;
  error.syscall = syscall;
  if (at.path !== undefined) error.path = at.path;
  if (at.dest !== undefined) error.dest = at.dest;
  return error;
}

/** Only Linux has capabilities(7). */
function privilege(capabilities: string): string {
  return process.platform === 'linux' ? `root, or ${capabilities}` : 'root';
}

/** Returns a call's result, or throws the error of its -errno. */
export function check(result: number, syscall: string, at?: ErrorPlace): number {
  if (result < 0) throw systemError(result, syscall, at);
  return result;
}

function coded<E extends Error>(error: E, code: string): E & { code: string } {
  // Node's own errors show `name [code]` in the stack's first line.
  error.stack = error.stack?.replace(error.name, `${error.name} [${code}]`) ?? '';
  return Object.assign(error, { code });
}

export function invalidArgType(name: string, expected: string, value: unknown) {
  const got = value === null || value === undefined ? `${value}` : `type ${typeof value}`;
  const shown = value === null || value === undefined ? '' : ` (${inspect(value, { depth: -1 })})`;
  return coded(
    new TypeError(`The "${name}" argument must be ${expected}. Received ${got}${shown}`),
    'ERR_INVALID_ARG_TYPE',
  );
}

export function invalidArgValue(name: string, value: unknown, reason: string) {
  const end = reason.endsWith('?') ? '' : '.';
  return coded(
    new TypeError(
      `The argument '${name}' ${reason}${end} Received ${inspect(value, { depth: 0 })}`,
    ),
    'ERR_INVALID_ARG_VALUE',
  );
}

export function outOfRange(name: string, range: string, value: unknown) {
  return coded(
    new RangeError(
      `The value of "${name}" is out of range. It must be ${range}. Received ${inspect(value)}`,
    ),
    'ERR_OUT_OF_RANGE',
  );
}

/** The error of an aborted wait: Node's AbortError, with the signal's reason as cause. */
export function abortError(signal: AbortSignal): Error & { code: string } {
  const error = new Error('The operation was aborted', { cause: signal.reason });
  error.name = 'AbortError';
  return Object.assign(error, { code: 'ABORT_ERR' });
}

/** For failures that daemonkit itself detects, without a failed call. */
export function codedError(message: string, code: string) {
  return coded(new Error(message), code);
}

/** Also for errors of another realm, such as node:vm's. A Proxy may throw on every access. */
export const isError = (value: unknown): value is Error =>
  !types.isProxy(value) && (value instanceof Error || types.isNativeError(value));

/** Turns any thrown value into an Error that is safe to read. A Proxy may throw on every access. */
export function asError(thrown: unknown): Error {
  if (isError(thrown)) return thrown;
  try {
    return new Error(typeof thrown === 'string' ? thrown : inspect(thrown), { cause: thrown });
  } catch {
    return new Error('a value that cannot be shown was thrown', { cause: thrown });
  }
}

/** Adds properties to an error. An error that accepts none becomes the cause of a new one. */
export function telling<T extends object>(error: Error, more: T): Error & T {
  if (Object.entries(more).every(([key, value]) => set(error, key, value)))
    return error as Error & T;
  return Object.assign(new Error(error.message, { cause: error }), more);
}

/** For `new` of a class that a program cannot construct. */
export function illegalConstructor() {
  return coded(new TypeError('Illegal constructor'), 'ERR_ILLEGAL_CONSTRUCTOR');
}

/** For a call on a disposed object. */
export function invalidState(message: string) {
  return coded(new Error(`Invalid state: ${message}`), 'ERR_INVALID_STATE');
}

/** For state of the whole process, which only the main thread may change in Node. */
export function workerUnsupported(name: string) {
  return coded(
    new TypeError(`${name} is not supported in workers`),
    'ERR_WORKER_UNSUPPORTED_OPERATION',
  );
}
