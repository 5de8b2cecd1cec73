// The two kinds of error daemonkit throws: wrong arguments (before any system call) as Node's own
// TypeError and RangeError shapes, failed calls in the shape of node:fs errors.
import { constants } from 'node:os';
import { getSystemErrorMap, inspect, types } from 'node:util';

const { set } = Reflect;

/** A failed system call, in the shape `node:fs` gives its errors. */
export interface SystemError extends Error {
  /** The errno's name, as `EPERM`. */
  code: string;
  /** The negative errno, as libuv and `node:fs` have it. */
  errno: number;
  /** The man-page name of the call that failed. */
  syscall: string;
  /** The file that it was about, if there was one. */
  path?: string;
  /** The second file, of calls with two. */
  dest?: string;
}

// What libuv, and so getSystemErrorMap(), does not know, of what our calls can answer.
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

/** What a failed call was about. */
export interface ErrorPlace {
  path?: string;
  dest?: string;
  /** Instead of the errno's own words. */
  detail?: string;
  /** What `EPERM` would have been spared with: `CAP_SETUID`. */
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

/** capabilities(7) are Linux's. */
function privilege(capabilities: string): string {
  return process.platform === 'linux' ? `root, or ${capabilities}` : 'root';
}

/** Passes a call's value through, or throws what its -errno means. */
export function check(result: number, syscall: string, at?: ErrorPlace): number {
  if (result < 0) throw systemError(result, syscall, at);
  return result;
}

function coded<E extends Error>(error: E, code: string): E & { code: string } {
  // Node's own errors show their code in the stack's first line and in `name [code]`.
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

/** What an aborted wait rejects with: Node's own AbortError, its cause the signal's reason. */
export function abortError(signal: AbortSignal): Error & { code: string } {
  const error = new Error('The operation was aborted', { cause: signal.reason });
  error.name = 'AbortError';
  return Object.assign(error, { code: 'ABORT_ERR' });
}

/** For what fails by daemonkit's own judgement, not by a call's. */
export function codedError(message: string, code: string) {
  return coded(new Error(message), code);
}

/** Whatever a program has thrown, as an Error that can be looked at: a Proxy may throw at every look. */
export function asError(thrown: unknown): Error {
  if (!types.isProxy(thrown) && thrown instanceof Error) return thrown;
  try {
    return new Error(typeof thrown === 'string' ? thrown : inspect(thrown), { cause: thrown });
  } catch {
    return new Error('a value that cannot be shown was thrown', { cause: thrown });
  }
}

/** An error that tells something more; one that takes no properties is the cause of another one. */
export function telling<T extends object>(error: Error, more: T): Error & T {
  if (Object.entries(more).every(([key, value]) => set(error, key, value)))
    return error as Error & T;
  return Object.assign(new Error(error.message, { cause: error }), more);
}

/** For `new` of a class that is made by other means. */
export function illegalConstructor() {
  return coded(new TypeError('Illegal constructor'), 'ERR_ILLEGAL_CONSTRUCTOR');
}

/** For a call on an object that was disposed. */
export function invalidState(message: string) {
  return coded(new Error(`Invalid state: ${message}`), 'ERR_INVALID_STATE');
}

/** For what belongs to the whole process, which Node lets only the main thread change. */
export function workerUnsupported(name: string) {
  return coded(
    new TypeError(`${name} is not supported in workers`),
    'ERR_WORKER_UNSUPPORTED_OPERATION',
  );
}
