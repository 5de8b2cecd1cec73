// The daemon's handle on itself: readiness, and what must be tidied up when it ends.
import { constants } from 'node:os';
import { atFork } from '../atfork.js';
import { native } from '../native.js';
import { listenForReopen } from '../reopen.js';
import type { Birth } from './birth.js';
import { leaveLauncher, reopenFiles } from './files.js';
import { tell } from './launch.js';
import { describe } from './report.js';

const { SIGTERM } = constants.signals;
const DEFAULT_ACTION = 0;

/** Node handles SIGTERM from its start on, to give the terminal its mode back before it dies. */
const NODES_ACTION =
  process.listenerCount('SIGTERM') === 0 ? native.signalHandler(SIGTERM) : DEFAULT_ACTION;

/** Whether a SignalFlag has seen the signal. One made since it came has not, and would never end. */
function flagRaised(signal: number): boolean {
  const record = new Int32Array(6);
  native.signalFlagLatest(signal, record);
  return record[0] === signal;
}

function nobodyHandlesSigterm(): boolean {
  return [DEFAULT_ACTION, NODES_ACTION].includes(native.signalHandler(SIGTERM));
}

/** A launcher that is stopped, or writes to a terminal that is, must not stop the daemon. */
const LAUNCHER_EXIT_MS = 1000;

/**
 * What {@link becomeDaemon} returns in the daemon. Disposing it removes the pidfile; so does the
 * process's 'exit' event, and SIGTERM.
 */
export class Daemon implements Disposable, AsyncDisposable {
  readonly #birth: Birth;
  readonly #pid = process.pid;
  readonly #hooks: Disposable;
  readonly #reopener: Disposable | undefined;

  /** @internal */
  constructor(birth: Birth) {
    this.#birth = birth;
    this.#hooks = atFork({ child: () => this.#disown() });
    process.on('exit', this.#tidy);
    const { reopenOn } = birth.plan;
    if (reopenOn !== undefined) {
      this.#reopener = listenForReopen(reopenOn, () => this.reopenLogs());
    }
    if (nobodyHandlesSigterm()) process.on('SIGTERM', this.#terminate);
  }

  /** The pidfile's path as it was before any chroot; undefined without one. */
  get pidFile(): string | undefined {
    return this.#birth.pidfile?.path;
  }

  /**
   * Tells the launcher that the daemon is ready: it exits with code 0, and standard error goes to
   * the log from here on. Does nothing if it was called before, in a fork of the daemon, and
   * without a launcher.
   *
   * If the launcher is gone, whoever started it takes the start for failed; so the process ends
   * with code 1 then, after its 'exit' listeners.
   *
   * Source: daemon(7) steps 14 and 15.
   */
  ready(): void {
    leaveLauncher(this.#birth, (channel) => {
      if (!tell(channel, 'r')) process.exit(1);
      // Until the launcher has exited it is our parent.
      native.awaitHangup(channel, LAUNCHER_EXIT_MS);
    });
  }

  /**
   * Tells the launcher that the daemon cannot start, and ends the process with code 1, after its
   * 'exit' listeners. The launcher prints the error and exits with code 1. When the daemon was
   * ready before, the error goes to its standard error.
   *
   * @param error - anything; of an Error, message, code and stack are told.
   */
  fail(error: unknown): never {
    const { lines } = this.#birth;
    if (lines === undefined) native.writeAll(2, `daemonkit: ${describe(error)}\n`);
    else tell(lines.channel, `f${describe(error)}`);
    return process.exit(1);
  }

  /**
   * Opens the log files anew by their paths, making them if there are none, for log rotation: rename
   * the file, then have it reopened; every line is in one of the two. With the option `reopenOn` a
   * signal does it, and an error goes to standard error.
   *
   * @throws what open(2) says, with `path`: `ENOENT` for a file outside of the chroot, `EACCES` if
   *   `user` may not make files there. All descriptors lead to the old files then.
   */
  reopenLogs(): void {
    reopenFiles(this.#birth);
  }

  /** Removes the pidfile and gives its lock up; the process goes on, and reopens no logs. */
  [Symbol.dispose](): void {
    this.#reopener?.[Symbol.dispose]();
    this.#hooks[Symbol.dispose]();
    process.off('exit', this.#tidy);
    process.off('SIGTERM', this.#terminate);
    this.#tidy();
  }

  /** As `[Symbol.dispose]()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]();
  }

  readonly #tidy = (): void => {
    if (process.pid === this.#pid) this.#birth.pidfile?.remove();
  };

  readonly #terminate = (): void => {
    // Whoever was told too has something to do before the end, and ends the process itself.
    if (process.listenerCount('SIGTERM') === 1 && !flagRaised(SIGTERM)) process.exit();
  };

  /** In a fork of the daemon: the pidfile, its lock and the launcher are the daemon's alone. */
  #disown(): void {
    this[Symbol.dispose]();
    this.#birth.pidfile?.close();
    leaveLauncher(this.#birth);
  }
}
