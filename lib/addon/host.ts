// Finds out where this runs. daemonkit supports Node on Linux and FreeBSD. Elsewhere the package
// can be imported, so that programs and types that only name it work, but its functions refuse.
import { constants } from 'node:os';
import { type SystemError, systemError } from '../base/errors.js';

/** Not npm's field `os` in package.json: programs may be developed on other systems. */
const SYSTEMS: readonly string[] = ['linux', 'freebsd'];

/** Both also report `node` in process.release and process.versions. */
function runtime(): string | undefined {
  const { bun, deno } = process.versions;
  if (bun !== undefined) return `Bun ${bun}`;
  return deno === undefined ? undefined : `Deno ${deno}`;
}

const SYSTEM = SYSTEMS.includes(process.platform)
  ? undefined
  : `daemonkit runs on Linux and FreeBSD only; this is ${process.platform}`;

const RUNTIME = runtime();

/** The reason why no function works here. */
export const noSystem: string | undefined = SYSTEM;

/** The reason why only system calls work here, and nothing that needs Node itself. */
export const noNode: string | undefined =
  SYSTEM ?? (RUNTIME && `this needs Node.js; the program runs in ${RUNTIME}`);

// On Linux EOPNOTSUPP has the same number; elsewhere it has not. Windows has no ENOTSUP in libuv's
// list.
const { ENOTSUP = 95 } = constants.errno;

/** The error of a refused call: `ENOTSUP`. */
export function unsupported(detail: string, syscall: string): SystemError {
  const error = systemError(-ENOTSUP, syscall, { detail });
  return error.code === 'ENOTSUP' ? error : Object.assign(error, { code: 'ENOTSUP' });
}

/**
 * Throws `ENOTSUP` where no function works. Without it the error would name the first system call,
 * not the function.
 */
export function expectSystem(syscall: string): void {
  if (SYSTEM !== undefined) throw unsupported(SYSTEM, syscall);
}

/**
 * Throws `ENOTSUP` if the runtime is not Node, or the system is not supported.
 *
 * @param what - the function or class that needs Node, as the program names it.
 */
export function expectNode(what: string, syscall: string): void {
  if (SYSTEM !== undefined) throw unsupported(SYSTEM, syscall);
  if (RUNTIME !== undefined) {
    throw unsupported(`${what} needs Node.js; this is ${RUNTIME}`, syscall);
  }
}
