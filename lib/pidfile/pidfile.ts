// A daemon's pidfile by the rules of FreeBSD's pidfile(3): the lock tells whether the daemon runs,
// the number in the file only which process it is.
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

/** What programs do not have: Pidfile.open() makes the objects. */
const KEY = Symbol('Pidfile');

/** The constructor, for this file alone. */
let make!: (path: string, fd: number, claimed?: boolean) => Pidfile;

/**
 * A locked pidfile, as `becomeDaemon({ pidfile })` has one; for programs that stay in the foreground
 * and want to be there once.
 *
 * ```ts
 * const pidfile = Pidfile.open('/run/hello.pid');
 * pidfile.write();
 * process.on('exit', () => pidfile.remove()); // or `using pidfile = ...`
 * ```
 *
 * The lock belongs to the open file, so that a process and its forks hold it together until the
 * last of them has closed it or ended, by whatever means. The descriptor is close-on-exec: a program
 * that is executed does not hold it.
 *
 * Source: pidfile(3), FreeBSD.
 */
export class Pidfile implements Disposable {
  /** Where it was created, as an absolute path. */
  readonly path: string;
  #fd: number;
  /** What write() has written. */
  #named: number | undefined;
  /** The process that has made this object; a fork has a copy of it. */
  readonly #maker = native.getpid();
  /** Where it is now: inside of a chroot another path, or out of reach. */
  #here: string | undefined;
  /** It has been a predecessor's, and is until that has gone; or is a successor's by now. */
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
   * Creates or takes over the file, and locks it; it is empty afterwards.
   *
   * @param path - where; a relative path starts at the working directory of now.
   * @param mode - for a new file, 0 to 0o777, whatever the umask.
   * @throws `EEXIST` (syscall `flock`, with `path` and the rival's `pid`) if a process holds it,
   *   `EAGAIN` if that process has not written its pid within 15 ms; `ELOOP` (syscall `open`) if it
   *   is a symbolic link, `EINVAL` if it is no regular file, and what open(2) throws. To root
   *   `EPERM` (syscall `open`) if others could have put the file there: it belongs to another user,
   *   has a second name, or it or one of the directories on its way can be written to by everybody
   *   (a directory with the sticky bit is none of these), or a symbolic link on the way is not root's
   *   or can be exchanged by others. `TypeError`, `RangeError` for wrong arguments.
   */
  static open(path: string, mode = 0o644): Pidfile {
    const absolute = absolutePath(pathString(path));
    integer(mode, 'mode', 0, 0o777);
    // Deno's fs knows no descriptors but its own.
    expectNode('Pidfile.open()', 'open');
    const handedOver = claimPidfile(absolute);
    if (handedOver !== undefined) return make(absolute, handedOver, true);
    for (;;) {
      const fd = openLocked(absolute, mode);
      if (fd !== undefined) return new Pidfile(absolute, fd, KEY);
    }
  }

  /** The open file; -1 once it is closed. */
  get fd(): number {
    return this.#fd;
  }

  /**
   * Writes the pid and a newline; again, if called again.
   *
   * @param pid - the process to name, from 1 to 2^31-1; default: the caller.
   * @throws `ESTALE` (syscall `fstat`) if the file at the path is no longer this one, or is out of
   *   reach; `ENOSPC`, `EDQUOT`, `EIO` (syscall `write`, with `path`): the file is empty then.
   */
  write(pid = process.pid): void {
    integer(pid, 'pid', 1);
    if (this.#here === undefined || !sameFile(this.#fd, this.#here)) {
      const detail = 'the pidfile was removed or replaced';
      throw systemError(-ESTALE, 'fstat', { path: this.path, detail });
    }
    this.#named = pid;
    // Until this process is ready it is the predecessor that others shall find.
    if (!this.#isPredecessors()) this.#put(pid);
  }

  #put(pid: number): void {
    const text = `${pid}\n`;
    try {
      // In one piece: who reads a number meanwhile reads the one or the other.
      const all = text.padEnd(Number(fstatSync(this.#fd).size), '\n');
      const written = writeSync(this.#fd, all, 0);
      if (written < all.length) throw systemError(-ENOSPC, 'write');
      ftruncateSync(this.#fd, text.length);
      this.#named = pid;
    } catch (error) {
      this.#named = undefined;
      // The first digits of a pid are another process's.
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

  /** A fork has the lock as well, but the file is not its own to remove, unless it is named there. */
  #isOurs(): boolean {
    if (this.#shared === 'after' || this.#isPredecessors()) return false;
    const self = native.getpid();
    return this.#maker === self || readPid(this.#fd) === self;
  }

  /**
   * Call it when the process has changed its root directory, as {@link chroot} does. The file goes on
   * by the path inside then. A file outside of the root is out of reach: see {@link Pidfile.remove}.
   *
   * @param root - the new root directory, as an absolute path of before.
   */
  rootChanged(root: string): void {
    this.#here = pathInRoot(this.path, root);
  }

  /**
   * Removes the file, then closes it and so gives up the lock; in the other order a rival could
   * lock the file in between, and lose it.
   *
   * @returns false if the file could not be removed because it is outside of the chroot, or in a
   *   directory that the process may no longer write to. It is empty then, which stops no daemon from
   *   starting, and names no process that could be killed by mistake. Also false if the path
   *   leads to another file by now, which is left alone; and in a fork of the process that holds the
   *   file, such as a worker of {@link prefork}: it is closed then, and stays as it is.
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

  /** Closes the file and leaves it; what a fork that is not the daemon does. */
  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}

/**
 * Takes over the file that another process has opened and locked, and this one has inherited.
 *
 * @param path - where it is, as an absolute path.
 * @param fd - the descriptor; it belongs to the result from now on. Neither it nor its lock is looked at.
 */
export function adoptPidfile(path: string, fd: number): Pidfile {
  return make(path, fd);
}
