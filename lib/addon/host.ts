// Where this runs. What daemonkit does to a process is made for Node on Linux and FreeBSD: elsewhere the
// package is loaded, so that programs and types that only name it work, and its functions refuse.
import { constants } from 'node:os';
import { type SystemError, systemError } from '../base/errors.js';

/** What npm's `os` would say; a program may well be developed elsewhere. */
const SYSTEMS: readonly string[] = ['linux', 'freebsd'];

/** Both are a `node` too, by process.release and process.versions. */
function runtime(): string | undefined {
  const { bun, deno } = process.versions;
  if (bun !== undefined) return `Bun ${bun}`;
  return deno === undefined ? undefined : `Deno ${deno}`;
}

const SYSTEM = SYSTEMS.includes(process.platform)
  ? undefined
  : `daemonkit runs on Linux and FreeBSD only; this is ${process.platform}`;

const RUNTIME = runtime();

/** Why nothing can work here, in words. */
export const noSystem: string | undefined = SYSTEM;

/** Why only calls of the system's can work here, and nothing that is about the runtime itself. */
export const noNode: string | undefined =
  SYSTEM ?? (RUNTIME && `this needs Node.js; the program runs in ${RUNTIME}`);

// EOPNOTSUPP has the same number on Linux, and not elsewhere: Windows has no ENOTSUP at all in libuv's list.
const { ENOTSUP = 95 } = constants.errno;

/** The error of a call that is refused: `ENOTSUP`. */
export function unsupported(detail: string, syscall: string): SystemError {
  const error = systemError(-ENOTSUP, syscall, { detail });
  return error.code === 'ENOTSUP' ? error : Object.assign(error, { code: 'ENOTSUP' });
}

/** Throws `ENOTSUP` where nothing can work: the calls that others need first have other names. */
export function expectSystem(syscall: string): void {
  if (SYSTEM !== undefined) throw unsupported(SYSTEM, syscall);
}

/**
 * Throws `ENOTSUP` where this is no Node, or no system for it.
 *
 * @param what - the function or class that needs it, as the program has written it.
 */
export function expectNode(what: string, syscall: string): void {
  if (SYSTEM !== undefined) throw unsupported(SYSTEM, syscall);
  if (RUNTIME !== undefined) {
    throw unsupported(`${what} needs Node.js; this is ${RUNTIME}`, syscall);
  }
}
