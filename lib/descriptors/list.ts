// What the descriptors of this process are, and getting rid of what its starter has leaked.

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

/** One open descriptor, as {@link openDescriptors} found it. */
export interface Descriptor {
  /** Its number. */
  fd: number;
  /**
   * What the kernel calls it: a path, with ` (deleted)` behind it if it has none any more, or a name
   * such as `socket:[8217]`, `pipe:[8218]`, `anon_inode:[eventfd]`.
   */
  target: string;
  /** What it leads to. */
  type: DescriptorType;
  /** Closed by execve(2): programs that are started do not get it. */
  cloexec: boolean;
  /** There since before the program, left by the starter. */
  inherited: boolean;
  /** The runtime's own. To close it is to end in an abort or a hang. */
  runtime: boolean;
}

/**
 * Lists the open descriptors of the process, lowest first, without the one that reading the list
 * takes.
 *
 * **`runtime`** marks what belongs to libuv and V8, by what it is, never by its number: the fields of
 * the thread's `uv_loop_t` (backend_fd, async_wfd, signal_pipefd, emfile_fd, inotify_fd); every
 * close-on-exec epoll, eventfd and io_uring ring; close-on-exec pipes whose two ends are both here,
 * which is how threads wake each other and how libuv makes a lock; the /dev/null that other loops
 * held in reserve when daemonkit was loaded; the files of V8's `--prof` and `--perf-*`. So it is true
 * of such objects of daemonkit's and of other addons' too. Sockets, terminals and files that
 * JavaScript has opened are the program's.
 *
 * **`inherited`** marks what was open when the program started. The kernel does not record that, and
 * Node marks what it inherits close-on-exec, so it is: open when daemonkit was loaded, still the same
 * file at the same number, not `runtime`; and above 2 not in use by an event loop at that time, and
 * open in the parent process too, by kcmp(2) the very same open file; or a pipe whose other end is
 * elsewhere. So a file that a module had opened before is not taken for inherited. Nor is, to be on the
 * safe side, what the parent has closed since, what a shell has left that has become the program (`exec
 * node ...`), or what has a parent that cannot be looked at, as it has ended or is another user's. In
 * a child of {@link fork} it means what it means in the parent.
 *
 * @returns a new list of new objects: what was true at the time.
 * @throws on Linux `ENOENT` (syscall `scandir`, path `/proc/self/fd`) without /proc, as in most
 *   chroots; `EMFILE` if there is no descriptor left to read it with.
 *
 * In a Worker the list is the same, except the reserve of another thread's loop; `inherited` is
 * known if the Worker was made after the main thread had loaded daemonkit, else false.
 *
 * FreeBSD: written and compiled for it, not run on it yet. A file has the path that the kernel
 * remembers, or as `file:[inode]`; what a kqueue watches is not known. There is no kcmp(2), so that of what
 * the parent has too only sockets and pipes are certain to be the same, and count as inherited.
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
 * Closes what the starter has left open: what is `inherited` by
 * {@link openDescriptors}, except
 *
 * - descriptors in use by an event loop, as an inherited socket that the script listens on;
 * - the IPC channel of `child_process` (NODE_CHANNEL_FD);
 * - the sockets that a service manager has passed, by sd_listen_fds(3): 3 and up, LISTEN_FDS of
 *   them, if LISTEN_PID is the process, or was when it loaded daemonkit and then forked;
 * - `keep`.
 *
 * The standard descriptors 0, 1 and 2 are for {@link redirectToNull}: closed, their numbers would
 * become those of the next files or sockets, which whatever is printed would go to.
 *
 * @param opts - see {@link CloseInheritedOptions}.
 * @returns the descriptors closed, or that would be with `dryRun`, as they were before, lowest first.
 *   Closing is not tried again and its errors are passed over, as the number is free after either.
 * @throws as {@link openDescriptors}; nothing is closed then. `TypeError` and `RangeError` for wrong
 *   options, `TypeError` (`ERR_WORKER_UNSUPPORTED_OPERATION`) in a Worker.
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

/** @internal Closes each, whatever becomes of the others: close(2) frees the number also when it fails. */
export function closeAll(fds: readonly number[]): void {
  for (const fd of fds) {
    try {
      closeSync(fd);
    } catch {
      // EIO, ENOSPC, EDQUOT: what somebody else has written could not be stored.
    }
  }
}

/** Passed on purpose: the IPC channel, and a service manager's sockets. */
function passed(listenFds: boolean): number[] {
  const { NODE_CHANNEL_FD } = process.env;
  const channel = NODE_CHANNEL_FD === undefined ? [] : [Number(NODE_CHANNEL_FD)];
  return listenFds ? channel : [...channel, ...passedDescriptors()];
}

/** What was inherited above 2 and nobody wants. */
function leaked(table: Table, keep: readonly number[], listenFds = false): Descriptor[] {
  const spared = new Set([...inUse(table), ...keep, ...passed(listenFds)]);
  return describe(table).filter(({ fd, inherited }) => inherited && fd > 2 && !spared.has(fd));
}

/** @internal The device numbers that lead to the terminal: those of 0-2, and /dev/tty. */
export function terminalDevices(): Set<number> {
  const devices = [0, 1, 2].filter((fd) => isatty(fd)).map((fd) => fstatSync(fd).rdev);
  return new Set([...devices, ...system.terminals()]);
}

/** @internal What to do with the descriptors above 2; see {@link survey}. */
export interface Survey {
  /** The event loops' epolls. */
  epolls: number[];
  /** Other numbers for the terminal; libuv opens one for each of process.stdin, stdout, stderr. */
  terminals: number[];
  /** What whoever started this program has left open. */
  inherited: number[];
  /** Directories that somebody has open, which lead out of a chroot. */
  directories: { fd: number; target: string }[];
  /** io_uring rings. */
  rings: number[];
}

/**
 * @internal Looks the descriptors through. On Linux it needs /proc, which a chroot does not have.
 *
 * @param terminal - what {@link terminalDevices} said before the session changed.
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

/** @internal What of the event loops a descriptor is, if it is one that must not become another file. */
export function ownedByRuntime(fd: number): boolean {
  const table = readTable();
  return ofRuntime(table).has(fd) || inUse(table).has(fd);
}
