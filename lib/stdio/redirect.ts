// Redirects standard descriptors to /dev/null, or to a log file that can be reopened: dup2(2),
// freopen(3).

import { closeSync, constants, openSync } from 'node:fs';
import { constants as os } from 'node:os';
import { isatty } from 'node:tty';
import { type InspectOptionsStylized, inspect } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { expectNode } from '../addon/host.js';
import { native } from '../addon/native.js';
import { absolutePath } from '../base/absolute.js';
import { check, invalidArgValue, systemError, workerUnsupported } from '../base/errors.js';
import { shown } from '../base/shown.js';
import { fileDescriptor, fileDescriptors, filePath, integer, options } from '../base/validate.js';
import { ownedByRuntime, survey, terminalDevices } from '../descriptors/list.js';
import { lookUp, nameOrId } from '../posix/credentials.js';
import { getdtablesize } from '../posix/fd.js';
import { expectStandard, standardPlaced } from '../posix/standard.js';
import { LOG_MODE, openLog } from './logfile.js';
import { listenForReopen, reopenSignals } from './reopen.js';
import { redirectStreams } from './streams.js';

const STANDARD = [0, 1, 2];

/**
 * Finds errors before anything happens: calls that would fail in the middle, and descriptors of the
 * runtime.
 */
function expectUsable(fds: readonly number[], name: string): void {
  for (const fd of fds) {
    if (fd >= getdtablesize()) throw systemError(-os.errno.EBADF, 'dup2');
    if (fd > 2 && ownedByRuntime(fd)) {
      throw invalidArgValue(name, fd, 'is in use by the event loop');
    }
  }
  expectStandard(fds);
}

/** Moves the file to a number outside of `fds`, some of which may be free. */
function beside(fds: readonly number[], opened: number): number {
  let file = opened;
  // The duplicates that stay open are at numbers that are about to be replaced.
  while (fds.includes(file)) file = check(native.dup(file), 'dup');
  return file;
}

function openNull(fds: readonly number[]): number {
  return beside(fds, openSync('/dev/null', constants.O_RDWR | constants.O_NOCTTY));
}

/**
 * Redirects descriptors to an open file. When no standard descriptor leads to a terminal any more,
 * it also redirects the terminal's other descriptors: libuv opens a terminal again for each stream,
 * and these descriptors would prevent its hang-up.
 */
function pointTo(fds: readonly number[], file: number): void {
  const devices = terminalDevices();
  const leavesTerminal = !STANDARD.some((fd) => !fds.includes(fd) && isatty(fd));
  const leaves = fds.some((fd) => fd <= 2) && leavesTerminal;
  const { epolls, terminals } = survey(devices, [...fds, file]);
  // While the terminal's mode can still be set: later nothing would restore the echo of a raw
  // terminal.
  if (fds.includes(0)) native.resetTerminal();
  const nothing = openNull(fds);
  try {
    const others = leaves ? terminals.map((fd) => [fd, nothing] as const) : [];
    redirectStreams([...fds.map((fd) => [fd, file] as const), ...others], epolls);
  } finally {
    closeSync(nothing);
  }
}

/**
 * Redirects descriptors to /dev/null: reads end at once, writes are dropped.
 *
 * `process.stdin`, `process.stdout`, `process.stderr` and `console` remain the same objects and
 * keep working. `process.stdin` gets its 'end' event, and the mode of a raw terminal is restored.
 * Pending output goes to the old file, which has a second to accept it. When none of 0, 1 and 2
 * leads to a terminal any more, all other descriptors of the terminal are redirected too, and those
 * that libuv had opened are closed.
 *
 * Started programs inherit 0, 1 and 2; other descriptors become close-on-exec.
 *
 * @param fds - the descriptors, open or not. Default: 0, 1 and 2.
 * @throws `TypeError`, `RangeError` if one is not an integer from 0 to 2^31-1; `TypeError`
 *   (`ERR_INVALID_ARG_VALUE`) if one above 2 is in use by the event loop; `TypeError`
 *   (`ERR_WORKER_UNSUPPORTED_OPERATION`) in a Worker; `ERR_INVALID_STATE` if 0, 1 or 2 is a
 *   listening socket, or another file that the script has opened at a closed number, which the
 *   redirection would close; `ENOENT` (`open`, `scandir`) without /dev/null or /proc, for example
 *   in a chroot; `EBADF` (`dup2`) for a number that is not below {@link getdtablesize}.
 *
 * Source: dup2(2), POSIX.1; daemon(7) step 9; daemon(3), `noclose`. Linux.
 */
export function redirectToNull(...fds: number[]): void {
  const chosen =
    fds.length === 0 ? STANDARD : fds.map((fd, at) => fileDescriptor(fd, `fds[${at}]`));
  if (!isMainThread) throw workerUnsupported('redirectToNull()');
  expectNode('redirectToNull()', 'dup2');
  expectUsable(chosen, 'fds');
  const nothing = openNull(chosen);
  try {
    pointTo(chosen, nothing);
  } finally {
    closeSync(nothing);
  }
}

/** Options of {@link redirect}. */
export interface RedirectOptions {
  /** The mode of a new file, 0 to 0o777; the umask does not apply. Default: 0o640. */
  mode?: number | undefined;
  /**
   * The user who will write the file, name or uid. Use it if the process runs as root and changes
   * to this user later: a new file belongs to this user and its login group, and an existing file
   * of this user is accepted. Default: the caller.
   */
  user?: string | number | undefined;
  /** The signal or signals, such as `SIGHUP`, at which the file is reopened. Default: none. */
  reopenOn?: NodeJS.Signals | number | readonly (NodeJS.Signals | number)[] | undefined;
}

/** Descriptors that lead to a log file; see {@link redirect}. */
export class Redirection implements Disposable {
  readonly #fds: readonly number[];
  readonly #path: string;
  readonly #open: () => number;
  readonly #listener: Disposable;

  /** @internal */
  constructor(
    fds: readonly number[],
    path: string,
    open: () => number,
    signals: readonly NodeJS.Signals[],
  ) {
    this.#fds = fds;
    this.#path = path;
    this.#open = open;
    this.#withFile((file) => pointTo(fds, file));
    this.#listener = listenForReopen(signals, () => this.reopen());
  }

  /** The descriptors that lead to the file. */
  get fds(): readonly number[] {
    return this.#fds;
  }

  /** The file's path for reopening. */
  get path(): string {
    return this.#path;
  }

  /**
   * Opens the path again, and makes the file if it is missing. For log rotation: rename the file,
   * then call this. Each descriptor changes from one file to the other in one step, so every line
   * is in one of the two.
   *
   * @throws as {@link redirect}; then the descriptors still lead to the old file.
   */
  reopen(): void {
    this.#withFile((file) => {
      for (const fd of this.#fds) {
        check(native.redirect(fd, file, []), 'dup2');
        standardPlaced(fd);
      }
    });
  }

  /** Stops listening for the signals. The descriptors stay as they are. */
  [Symbol.dispose](): void {
    this.#listener[Symbol.dispose]();
  }

  /** @internal */
  [inspect.custom](depth: number, options: InspectOptionsStylized): string {
    const { fds, path } = this;
    const state = { fds, path };
    return shown(this, state, depth, options);
  }

  #withFile(use: (file: number) => void): void {
    const file = beside(this.#fds, this.#open());
    try {
      use(file);
    } finally {
      closeSync(file);
    }
  }
}

/**
 * Redirects descriptors to a log file, which is opened for appending and made if it is missing.
 * Standard streams behave as with {@link redirectToNull}. Writes of `process.stdout`,
 * `process.stderr` and `console` never fail: data that a full disk, or a FIFO without room or
 * reader, does not accept is dropped and counted, and the log gets a report of the loss as soon as
 * possible.
 *
 * @param fds - the descriptor or descriptors, each 1 or above, because 0 is for reading.
 * @param path - the file, or /dev/stdout, /dev/stderr, /dev/fd/N for the file of that descriptor.
 *   When it is reopened after a chroot, the path is inside of the new root.
 * @param opts - see {@link RedirectOptions}. With `reopenOn` the signal has a listener until the
 *   result is disposed; errors of reopening go to standard error.
 * @returns an object with `reopen()`.
 * @throws as {@link redirectToNull}, and the errors of open(2), with `path`: `ELOOP` if the file is
 *   a symbolic link, `ENXIO` for a FIFO without a reader, `EINVAL` for anything except a file, FIFO
 *   or terminal, for root `EPERM` if others could have put the file there, as with {@link
 *   Pidfile.open}; `ENOENT` (syscall `getpwnam`, `getpwuid`) for an unknown user. After an error
 *   the descriptors are unchanged.
 *
 * Source: freopen(3), POSIX.1; daemon(8) of FreeBSD, `-o` and `-H`. Linux.
 */
export function redirect(
  fds: number | readonly number[],
  path: string | URL,
  opts?: RedirectOptions,
): Redirection {
  const chosen = fileDescriptors(typeof fds === 'number' ? [fds] : fds, 'fds');
  chosen.forEach((fd, at) => void integer(fd, `fds[${at}]`, 1));
  const file = absolutePath(filePath(path));
  const given = options<RedirectOptions>(opts, ['mode', 'user', 'reopenOn']);
  const mode = integer(given.mode ?? LOG_MODE, 'options.mode', 0, 0o777);
  const signals = reopenSignals(given.reopenOn ?? [], 'options.reopenOn');
  const user = given.user === undefined ? undefined : nameOrId(given.user, 'options.user');
  if (!isMainThread) throw workerUnsupported('redirect()');
  expectNode('redirect()', 'dup2');
  expectUsable(chosen, 'fds');
  const { uid, gid } = lookUp(user) as { uid?: number; gid: number };
  const owner = uid === undefined ? undefined : { uid, gid };
  return new Redirection(chosen, file, () => openLog(file, owner, mode), signals);
}
