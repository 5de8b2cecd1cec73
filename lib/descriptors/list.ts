// Lists the descriptors of this process, and closes those that its starter has leaked.

import { closeSync, fstatSync } from 'node:fs';
import { isatty } from 'node:tty';
import { isMainThread } from 'node:worker_threads';
import { expectNode } from '../addon/host.js';
import { workerUnsupported } from '../base/errors.js';
import { boolean, fileDescriptors, INT_MAX, integer, options } from '../base/validate.js';
import { passedDescriptors } from '../system/listen-environment.js';
import { system } from '../system/system.js';
import type { DescriptorType } from '../system/types.js';
import { inUse, ofRuntime, readTable, type Table, wasInherited } from './table.js';

export type { DescriptorType } from '../system/types.js';

/** An open descriptor, as {@link openDescriptors} found it. */
export interface Descriptor {
  /** The descriptor's number. */
  fd: number;
  /**
   * The kernel's name for it: a path, followed by ` (deleted)` if the file was removed, or a name
   * such as `socket:[8217]`, `pipe:[8218]`, `anon_inode:[eventfd]`.
   */
  target: string;
  /** The type of its open file. */
  type: DescriptorType;
  /** Whether execve(2) closes it, so that started programs do not inherit it. */
  cloexec: boolean;
  /** Whether the starter left it open: it was there before the program. */
  inherited: boolean;
  /** Whether it belongs to the runtime. If you close it, the process aborts or hangs. */
  runtime: boolean;
}

/**
 * Lists the open descriptors of the process, lowest first, except the one that is used to read the
 * list.
 *
 * **`runtime`** marks descriptors of libuv and V8. The type decides, never the number: the fields
 * of the thread's `uv_loop_t` (backend_fd, async_wfd, signal_pipefd, emfile_fd, inotify_fd); every
 * close-on-exec epoll, eventfd and io_uring ring; close-on-exec pipes with both ends in this
 * process, by which threads wake each other and libuv makes a lock; the /dev/null that other loops
 * held in reserve when daemonkit was loaded; the files of V8's `--prof` and `--perf-*`. So it is
 * also true for such objects of daemonkit and other addons. Sockets, terminals and files that
 * JavaScript has opened belong to the program.
 *
 * **`inherited`** marks descriptors that were open when the program started. The kernel does not
 * record this, and Node makes inherited descriptors close-on-exec. So it is true for a descriptor
 * that was open when daemonkit was loaded, still is the same file at the same number, and is not
 * `runtime`. Above 2, it also must not have been in use by an event loop at that time, and the
 * parent process must have the same open file, by kcmp(2); or it is a pipe whose other end is in
 * another process. So a file that a module opened earlier does not count as inherited. To be safe,
 * these do not count either: files that the parent has closed since, files left by a shell that has
 * become the program (`exec node ...`), and all files if the parent has ended or belongs to another
 * user. In a child of {@link fork} the value is the parent's.
 *
 * @returns a new list of new objects, which shows the state at the time of the call.
 * @throws on Linux `ENOENT` (syscall `scandir`, path `/proc/self/fd`) without /proc, as in most
 *   chroots; `EMFILE` if no descriptor is left to read the list.
 *
 * In a Worker the list is the same, except the reserve of another thread's loop; `inherited` is
 * known if the Worker was made after the main thread had loaded daemonkit, else false.
 *
 * FreeBSD: this function was not run there, only the system calls below it. `target` is the path
 * that the kernel remembers, or `file:[inode]`. The descriptors that a kqueue watches are not
 * known. There is no kcmp(2), so only sockets and pipes that the parent has too count as inherited.
 *
 * Source: proc(5), /proc/PID/fd and fdinfo, Linux; sysctl(3), KERN_PROC_FILEDESC, FreeBSD; libuv's
 * uv.h.
 */
export function openDescriptors(): Descriptor[] {
  expectNode('openDescriptors()', 'open');
  return describe(readTable());
}

function describe(table: Table): Descriptor[] {
  const runtime = ofRuntime(table);
  return table.entries.map((entry) => {
    const { fd, target, type, cloexec } = entry;
    const own = runtime.has(fd);
    return { fd, target, type, cloexec, inherited: !own && wasInherited(entry), runtime: own };
  });
}

/** Options of {@link closeInherited}. */
export interface CloseInheritedOptions {
  /** The lowest descriptor to close, 3 or more. Default: 3. */
  from?: number | undefined;
  /** Descriptors to leave open. Default: none. */
  keep?: readonly number[] | undefined;
  /** Close nothing, and only return what would be closed. Default: false. */
  dryRun?: boolean | undefined;
  /** Close the sockets of LISTEN_FDS too. Default: false. */
  listenFds?: boolean | undefined;
}

/**
 * Closes the descriptors that the starter left open: those that are `inherited` by {@link
 * openDescriptors}, except
 *
 * - descriptors in use by an event loop, such as an inherited socket that the script listens on;
 * - the IPC channel of `child_process` (NODE_CHANNEL_FD);
 * - the sockets that a service manager has passed, by sd_listen_fds(3): LISTEN_FDS descriptors from
 *   3 on, if LISTEN_PID is the process (or the process from which it was forked, when that loaded
 *   daemonkit);
 * - `keep`.
 *
 * It does not close the standard descriptors 0, 1 and 2; use {@link redirectToNull} for them. If
 * they were closed, the next files or sockets would get their numbers, and printed text would go
 * there.
 *
 * @param opts - see {@link CloseInheritedOptions}.
 * @returns the closed descriptors, as they were before, lowest first; with `dryRun` those that it
 *   would close. Errors of close(2) are ignored, because the number is free after an error too.
 * @throws as {@link openDescriptors}; then nothing is closed. `TypeError` and `RangeError` for
 *   wrong options, `TypeError` (`ERR_WORKER_UNSUPPORTED_OPERATION`) in a Worker.
 *
 * Source: daemon(7) step 1; sd_listen_fds(3). Linux.
 */
export function closeInherited(opts?: CloseInheritedOptions): Descriptor[] {
  const given = options<CloseInheritedOptions>(opts, ['from', 'keep', 'dryRun', 'listenFds']);
  const from = integer(given.from ?? 3, 'options.from', 3, INT_MAX);
  const keep = fileDescriptors(given.keep ?? [], 'options.keep');
  const dryRun = boolean(given.dryRun ?? false, 'options.dryRun');
  const listenFds = boolean(given.listenFds ?? false, 'options.listenFds');
  if (!isMainThread) throw workerUnsupported('closeInherited()');
  expectNode('closeInherited()', 'close');
  const found = leaked(readTable(), keep, listenFds).filter(({ fd }) => fd >= from);
  if (!dryRun) closeAll(found.map(({ fd }) => fd));
  return found;
}

/** @internal Closes all of them and ignores errors: close(2) frees the number even if it fails. */
export function closeAll(fds: readonly number[]): void {
  for (const fd of fds) {
    try {
      closeSync(fd);
    } catch {
      // EIO, ENOSPC, EDQUOT: earlier data of another program could not be stored.
    }
  }
}

/** Descriptors passed on purpose: the IPC channel, and a service manager's sockets. */
function passed(listenFds: boolean): number[] {
  const { NODE_CHANNEL_FD } = process.env;
  const channel = NODE_CHANNEL_FD === undefined ? [] : [Number(NODE_CHANNEL_FD)];
  return listenFds ? channel : [...channel, ...passedDescriptors()];
}

/** Inherited descriptors above 2 that nothing uses. */
function leaked(table: Table, keep: readonly number[], listenFds = false): Descriptor[] {
  const spared = new Set([...inUse(table), ...keep, ...passed(listenFds)]);
  return describe(table).filter(({ fd, inherited }) => inherited && fd > 2 && !spared.has(fd));
}

/** @internal The device numbers of the terminal: those of 0-2, and /dev/tty. */
export function terminalDevices(): Set<number> {
  const devices = [0, 1, 2].filter((fd) => isatty(fd)).map((fd) => fstatSync(fd).rdev);
  return new Set([...devices, ...system.terminals()]);
}

/** @internal The descriptors above 2 that need a decision; see {@link survey}. */
export interface Survey {
  /** The event loops' epolls. */
  epolls: number[];
  /**
   * Further descriptors of the terminal. libuv opens one for each of process.stdin, stdout, stderr.
   */
  terminals: number[];
  /** Descriptors that the starter left open. */
  inherited: number[];
  /** Open directories, which lead out of a chroot. */
  directories: { fd: number; target: string }[];
  /** io_uring rings. */
  rings: number[];
}

/**
 * @internal Classifies the descriptors. On Linux it needs /proc, which a chroot does not have.
 *
 * @param terminal - the result of {@link terminalDevices} before the session changed.
 * @param keep - descriptors to leave out.
 */
export function survey(terminal: Set<number>, keep: readonly number[]): Survey {
  const table = readTable();
  const of = (type: DescriptorType) =>
    table.entries.flatMap((entry) => (entry.type === type && entry.fd > 2 ? entry.fd : []));
  return {
    epolls: of('epoll'),
    terminals: of('tty').filter((fd) => !keep.includes(fd) && terminal.has(fstatSync(fd).rdev)),
    inherited: leaked(table, keep).map(({ fd }) => fd),
    rings: of('io_uring'),
    directories: table.entries.filter(({ type }) => type === 'directory'),
  };
}

/** @internal Whether a descriptor belongs to an event loop or V8, and so must not be replaced. */
export function ownedByRuntime(fd: number): boolean {
  const table = readTable();
  return ofRuntime(table).has(fd) || inUse(table).has(fd);
}
