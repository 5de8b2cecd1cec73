// A daemon's pidfile by the rules of FreeBSD's pidfile(3): the lock shows whether the daemon runs,
// and the pid in the file only which process it is.
import { closeSync, fstatSync, ftruncateSync, writeSync } from 'node:fs';
import { constants as os } from 'node:os';
import { type InspectOptionsStylized, inspect } from 'node:util';
import { expectNode } from '../addon/host.js';
import { native } from '../addon/native.js';
import { absolutePath } from '../base/absolute.js';
import { illegalConstructor, type SystemError, systemError } from '../base/errors.js';
import { shown } from '../base/shown.js';
import { integer, path as pathString } from '../base/validate.js';
import { pathInRoot } from '../posix/chroot.js';
import { claimPidfile, type HeldPidfile, succession } from '../system/succession.js';
import { openLocked, removeLocked } from './lock.js';
import { sameFile } from './same-file.js';
import { readPid } from './text.js';

export { heldByRival, type PidfileError } from './lock.js';
export {
  type PidfileReport,
  type PidfileRunning,
  type PidfileUnnamed,
  type PidfileUnproven,
  pidfileRead,
  pidfileSignal,
} from './read.js';

const { ENOSPC, ESTALE } = os.errno;

/** Not available to programs: only Pidfile.open() makes the objects. */
const KEY = Symbol('Pidfile');

/** The constructor, for this file only. */
let make!: (path: string, fd: number, claimed?: boolean) => Pidfile;

/**
 * A locked pidfile like that of `becomeDaemon({ pidfile })`, for programs that stay in the
 * foreground and must run only once.
 *
 * ```ts
 * const pidfile = Pidfile.open('/run/hello.pid');
 * pidfile.write();
 * process.on('exit', () => pidfile.remove()); // or `using pidfile = ...`
 * ```
 *
 * The lock belongs to the open file. A process and its forks hold it together until all of them
 * have closed it or ended. The descriptor is close-on-exec, so an executed program does not hold
 * the lock.
 *
 * Source: pidfile(3), FreeBSD.
 */
export class Pidfile implements Disposable {
  /** The absolute path where it was created. */
  readonly path: string;
  #fd: number;
  /** The pid that write() has written. */
  #named: number | undefined;
  /** The process that made this object. A fork has a copy of it. */
  readonly #maker = native.getpid();
  /** The present path: another one inside of a chroot, or undefined if it is outside. */
  #here: string | undefined;
  /**
   * During an upgrade: `before`, the predecessor still holds the file; `after`, a successor holds
   * it now.
   */
  #shared: 'before' | 'after' | undefined;

  static {
    make = (path, fd, claimed = false) => {
      const made = new Pidfile(path, fd, KEY);
      if (claimed) made.#shared = 'before';
      return made;
    };
  }

  private constructor(path: string, fd: number, key?: typeof KEY) {
    if (key !== KEY) throw illegalConstructor();
    this.path = path;
    this.#here = path;
    this.#fd = fd;
    succession.pidfiles.add(this.#asHeirloom());
  }

  /**
   * Creates the file or takes over an existing one, locks it and empties it.
   *
   * @param path - the file; a relative path starts at the current working directory.
   * @param mode - permissions of a new file, 0 to 0o777; the umask does not apply.
   * @throws `EEXIST` (syscall `flock`, with `path` and that process's `pid`) if a process holds it,
   *   `EAGAIN` if that process has not written its pid within 15 ms; `ELOOP` (syscall `open`) if it
   *   is a symbolic link, `EINVAL` if it is not a regular file, and the errors of open(2). For root
   *   `EPERM` (syscall `open`) if other users could have put the file there: it belongs to another
   *   user; it has a second name; everyone may write to it or to a directory of its path (except
   *   directories with the sticky bit); or a symbolic link in its path does not belong to root or
   *   can be replaced by others. `TypeError`, `RangeError` for wrong arguments.
   */
  static open(path: string, mode = 0o644): Pidfile {
    const absolute = absolutePath(pathString(path));
    integer(mode, 'mode', 0, 0o777);
    // Deno's fs accepts only descriptors that it has opened itself.
    expectNode('Pidfile.open()', 'open');
    const handedOver = claimPidfile(absolute);
    if (handedOver !== undefined) return make(absolute, handedOver, true);
    for (;;) {
      const fd = openLocked(absolute, mode);
      if (fd !== undefined) return new Pidfile(absolute, fd, KEY);
    }
  }

  /** The file's descriptor; -1 once it is closed. */
  get fd(): number {
    return this.#fd;
  }

  /**
   * Writes the pid and a newline. A further call replaces them.
   *
   * @param pid - the pid to write, from 1 to 2^31-1; default: the caller's.
   * @throws `ESTALE` (syscall `fstat`) if the file at the path is no longer this one, or is outside
   *   of the chroot; `ENOSPC`, `EDQUOT`, `EIO` (syscall `write`, with `path`): then the file is
   *   empty.
   */
  write(pid = process.pid): void {
    integer(pid, 'pid', 1);
    if (this.#here === undefined || !sameFile(this.#fd, this.#here)) {
      const detail = 'the pidfile was removed or replaced';
      throw systemError(-ESTALE, 'fstat', { path: this.path, detail });
    }
    this.#named = pid;
    // Until this process is ready, readers must find the predecessor.
    if (!this.#isPredecessors()) this.#put(pid);
  }

  #put(pid: number): void {
    const text = `${pid}\n`;
    try {
      // In one write: a concurrent reader gets the old pid or the new one.
      const all = text.padEnd(Number(fstatSync(this.#fd).size), '\n');
      const written = writeSync(this.#fd, all, 0);
      if (written < all.length) throw systemError(-ENOSPC, 'write');
      ftruncateSync(this.#fd, text.length);
      this.#named = pid;
    } catch (error) {
      this.#named = undefined;
      // The first digits of a pid would name another process.
      ftruncateSync(this.#fd, 0);
      throw systemError((error as SystemError).errno, 'write', { path: this.path });
    }
  }

  #isPredecessors(): boolean {
    return this.#shared === 'before' && succession.onTrial;
  }

  #asHeirloom(): HeldPidfile {
    const self = () => this;
    return {
      path: this.path,
      get fd() {
        return self().#fd;
      },
      nameSuccessor: (pid) => {
        this.#put(pid);
        this.#shared = 'after';
      },
      nameSelf: () => {
        this.#shared = undefined;
        if (this.#fd >= 0) this.#put(native.getpid());
      },
      close: () => this.close(),
    };
  }

  /** A fork has the lock too, but may remove the file only if the file names the fork. */
  #isOurs(): boolean {
    if (this.#shared === 'after' || this.#isPredecessors()) return false;
    const self = native.getpid();
    return this.#maker === self || readPid(this.#fd) === self;
  }

  /**
   * Call this after the process has changed its root directory, for example with {@link chroot}.
   * From then on the object uses the path inside of the new root. For a file outside of it see
   * {@link Pidfile.remove}.
   *
   * @param root - the new root directory, as an absolute path from before the change.
   */
  rootChanged(root: string): void {
    this.#here = pathInRoot(this.path, root);
  }

  /**
   * Removes the file, then closes it, which releases the lock. In the other order another process
   * could lock the file in between, and then lose it.
   *
   * @returns false if the file cannot be removed, because it is outside of the chroot or in a
   *   directory that the process may no longer write to. Then the file is emptied: an empty file
   *   does not prevent a start, and names no process that could be killed by mistake. Also false if
   *   the path leads to another file now, which stays unchanged; and in a fork of the process that
   *   holds the file, such as a worker of {@link prefork}, where only the descriptor is closed.
   */
  remove(): boolean {
    if (this.#fd < 0) return false;
    const ours = this.#isOurs();
    const removed = ours && this.#unlink();
    if (ours && !removed) ftruncateSync(this.#fd, 0);
    this.close();
    return removed;
  }

  /** As {@link remove}. */
  [Symbol.dispose](): void {
    this.remove();
  }

  /** @internal */
  [inspect.custom](depth: number, options: InspectOptionsStylized): string {
    const held = this.#fd >= 0;
    const { path } = this;
    const [fd, pid] = held ? [this.#fd, this.#named] : [];
    const state = { path, state: held ? 'held' : 'closed', fd, pid };
    return shown(this, state, depth, options);
  }

  #unlink(): boolean {
    return this.#here !== undefined && removeLocked(this.#fd, this.#here);
  }

  /** Closes the descriptor without removing the file, for forks that are not the daemon. */
  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}

/**
 * Takes over a file that another process has opened and locked, and that this process has
 * inherited.
 *
 * @param path - the file, as an absolute path.
 * @param fd - the descriptor, which belongs to the result from now on. Neither it nor its lock is
 *   checked.
 */
export function adoptPidfile(path: string, fd: number): Pidfile {
  return make(path, fd);
}
