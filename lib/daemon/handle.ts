// The daemon's handle on itself: readiness, and what must be tidied up when it ends.
import { constants } from 'node:os';
import { type InspectOptionsStylized, inspect } from 'node:util';
import { native } from '../addon/native.js';
import { atFork } from '../atfork/hooks.js';
import { shown } from '../base/shown.js';
import { func } from '../base/validate.js';
import { whenAdopted } from '../service/adoption.js';
import { line } from '../service/message.js';
import { notify, startWatchdog, tryNotify } from '../service/notify.js';
import { complain } from '../stdio/log-writer.js';
import { listenForReopen } from '../stdio/reopen.js';
import { afterTrial, isReadyNow, type Superseded, succession } from '../system/succession.js';
import type { Birth } from './birth.js';
import { currentSlot, setCurrentDaemon } from './current.js';
import { leaveLauncher, reopenFiles } from './files.js';
import { tell } from './lines.js';
import { publishReady } from './published.js';
import { describe } from './report.js';
import { whenSettled } from './settled.js';
import { announceByDescriptor, announceFailure, closeReadiness } from './supervision.js';
import { Termination } from './termination.js';
import { showStatus } from './title.js';

const { SIGTERM } = constants.signals;

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
  readonly #reopener: Disposable;
  readonly #termination = new Termination(() => this.#terminate());
  #watchdog: Disposable | null = null;
  #ready = false;
  #terminated = false;
  #stopping = false;
  #reloads = 0;
  readonly #place: Superseded;

  /** @internal */
  constructor(birth: Birth) {
    this.#birth = birth;
    this.#hooks = atFork({ child: () => this.#disown() });
    process.on('exit', this.#end);
    setCurrentDaemon(this);
    const { reopenOn, detach } = birth.plan;
    this.#place = { detached: detach, superseded: () => this.#makeWay() };
    succession.daemons.add(this.#place);
    this.#reopener = listenForReopen(reopenOn, () => this.reloading(() => this.reopenLogs()));
    this.#termination.listen();
  }

  /** The pidfile's path as it was before any chroot; undefined without one. */
  get pidfile(): string | undefined {
    return this.#birth.pidfile?.path;
  }

  /**
   * Reports that the daemon is ready: to the launcher, which exits with 0; to the service manager (READY=1; with a
   * launcher, the launcher sends it with MAINPID); and to the reader of `notifyFd`. Standard error goes to the log
   * from here on, and the signs of life of `watchdog` begin. Does nothing if it was called before, when SIGTERM is
   * about to end the daemon, and in a fork of the daemon.
   *
   * If the launcher has ended, its caller takes the start for failed. Then the process ends with code 1, after its
   * 'exit' listeners.
   *
   * @throws without a launcher, what {@link notify} throws, and `EPIPE` (syscall `write`) if `notifyFd` has no
   *   reader. The daemon is not ready then, and a further call tries again.
   *
   * Source: daemon(7) steps 14 and 15; sd_notify(3).
   */
  ready(): void {
    if (this.#ready || this.#terminated || process.pid !== this.#pid) return;
    if (succession.onTrial) {
      // The predecessor tells the manager, which may not listen to others.
      afterTrial((alone) => this.#succeed(alone));
      isReadyNow(this.#birth);
      return;
    }
    const { lines } = this.#birth;
    // First, as it may fail: then nothing has happened, and it can be tried again.
    announceByDescriptor(this.#birth);
    // A launcher tells the manager: until then it is the main process, whose words count.
    if (lines === undefined) notify({ ready: true });
    else {
      leaveLauncher(this.#birth, (channel) => {
        if (!tell(channel, 'r')) process.exit(1);
        // Until the launcher has exited it is our parent.
        native.awaitHangup(channel, LAUNCHER_EXIT_MS);
      });
      whenAdopted();
    }
    this.#becomeReady();
  }

  #becomeReady(): void {
    this.#ready = true;
    publishReady(this.pidfile);
    const { watchdog } = this.#birth.plan;
    if (watchdog) this.#watchdog = startWatchdog(watchdog === true ? {} : { healthy: watchdog });
  }

  /** The predecessor has gone its way. */
  #succeed(alone: boolean): void {
    if (this.#ready || this.#terminated || currentSlot() !== this) return;
    if (alone) tryNotify({ mainPid: this.#pid, ready: true });
    this.#becomeReady();
  }

  /** A successor is what this one was: for the manager, and for who reads the pidfile. */
  #makeWay(): void {
    this.#stopping = true;
    this.#watchdog?.[Symbol.dispose]();
  }

  /**
   * Reports in one line what the daemon is doing: to the service manager (STATUS=). Without one, the launcher prints
   * the line and the log has it as long as the launcher waits; afterwards ps(1) shows it behind the script's name, as
   * far as there is room (see `process.title`).
   *
   * @param text - a single line; an empty one clears the last.
   * @throws `TypeError`, `RangeError` for anything but a line of at most 4,000 bytes. A manager that has ended is
   *   ignored.
   *
   * Source: sd_notify(3).
   */
  status(text: string): void {
    line(text, 'text');
    if (tryNotify({ status: text })) return;
    if (this.#birth.lines === undefined) showStatus(text);
    else complain(`${text}\n`);
  }

  /**
   * Reports to the service manager that the daemon reloads its configuration while `work` runs, and that it is ready
   * again when `work` has returned or its promise has settled: RELOADING=1, MONOTONIC_USEC, READY=1, as
   * Type=notify-reload needs. Reloads that overlap are one. A reopening of log files by `reopenOn` is reported in the
   * same way.
   *
   * @param work - what reloads. If it fails, the manager shows the error as the status, and the daemon counts as
   *   ready.
   * @returns what `work` returns.
   * @throws what `work` throws. Before {@link Daemon.ready}, without a manager and in a fork, only `work` runs. A
   *   manager that has ended is ignored.
   *
   * Source: sd_notify(3); systemd.service(5), Type=notify-reload.
   */
  reloading<T>(work: () => T): T {
    func(work, 'work');
    if (!this.#ready || this.#stopping || process.pid !== this.#pid) return work();
    if (this.#reloads++ === 0) tryNotify({ reloading: true });
    return whenSettled(work, (error) => this.#reloaded(error));
  }

  /**
   * Reports to the service manager that the shutdown has begun (STOPPING=1). The process's 'exit' event and SIGTERM
   * report it too; call it first if the shutdown takes time.
   *
   * Source: sd_notify(3).
   */
  stopping(): void {
    if (this.#stopping || process.pid !== this.#pid) return;
    this.#stopping = true;
    tryNotify({ stopping: true });
  }

  /**
   * Reports to the launcher that the daemon cannot start, and ends the process with code 1, after its 'exit'
   * listeners. The launcher prints the error and exits with code 1. If the daemon was ready before, or has no
   * launcher, the error goes to its standard error. The service manager gets it too (STATUS=, and ERRNO= for a failed
   * call).
   *
   * @param error - any value; of an Error, message, code and stack are reported.
   */
  fail(error: unknown): never {
    announceFailure(error);
    const { lines } = this.#birth;
    if (lines === undefined) complain(`daemonkit: ${describe(error)}\n`);
    else tell(lines.channel, `f${describe(error)}`);
    return process.exit(1);
  }

  /**
   * Opens the log files again by their paths, for log rotation, and makes them if they are missing. Rename the file,
   * then call this; every line is in one of the two. With the option `reopenOn` a signal does it, and an error goes
   * to standard error.
   *
   * @throws with `step` `stdio` the error of open(2), with `path`: `ENOENT` for a file outside of the chroot,
   *   `EACCES` if `user` may not write to it or not make files there; `ELOOP`, `ENXIO`, `EINVAL`, `EPERM` as {@link
   *   redirect}. All descriptors lead to the old files then.
   */
  reopenLogs(): void {
    reopenFiles(this.#birth);
  }

  /** Removes the pidfile and gives its lock up; the process goes on, and reopens no logs. */
  [Symbol.dispose](): void {
    if (currentSlot() === this) setCurrentDaemon(undefined);
    this.#reopener[Symbol.dispose]();
    this.#hooks[Symbol.dispose]();
    process.off('exit', this.#end);
    this.#termination[Symbol.dispose]();
    succession.daemons.delete(this.#place);
    this.#tidy();
  }

  /** As `[Symbol.dispose]()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]();
  }

  /** @internal */
  [inspect.custom](depth: number, options: InspectOptionsStylized): string {
    const { pidfile } = this;
    const { chroot, stdout, stderr } = this.#birth.plan;
    const state = { state: this.#state(), pid: this.#pid, pidfile, chroot, stdout, stderr };
    return shown(this, state, depth, options);
  }

  #state(): string {
    if (currentSlot() !== this) return 'disposed';
    if (this.#stopping || this.#terminated) return 'stopping';
    if (!this.#ready) return 'starting';
    return this.#reloads > 0 ? 'reloading' : 'ready';
  }

  #tidy(): void {
    if (process.pid === this.#pid) this.#birth.pidfile?.remove();
  }

  readonly #end = (): void => {
    if (this.#ready) this.stopping();
    this.#tidy();
  };

  #reloaded(error?: unknown): void {
    if (--this.#reloads > 0 || this.#stopping) return;
    if (error !== undefined) announceFailure(error);
    tryNotify({ ready: true });
  }

  #terminate(): void {
    this.#terminated = true;
    const { lines } = this.#birth;
    if (lines === undefined) process.exit();
    // Whoever waits for the daemon is told by what it ended, as if there was no handler.
    tell(lines.channel, `t${SIGTERM}`);
    process.exit(128 + SIGTERM);
  }

  /** In a fork of the daemon: the pidfile, its lock and the launcher are the daemon's alone. */
  #disown(): void {
    this.#termination.leave();
    this[Symbol.dispose]();
    this.#watchdog?.[Symbol.dispose]();
    this.#birth.pidfile?.close();
    closeReadiness(this.#birth);
    leaveLauncher(this.#birth);
  }
}

/**
 * Returns the daemon that this process is: made by `becomeDaemon()` in another module, or by the command `daemonkit
 * start`. An application that is started by `daemonkit start --ready manual` calls its `ready()`. One that is also
 * started without the command begins with
 *
 * ```ts
 * const daemon = currentDaemon() ?? becomeDaemon(options);
 * ```
 *
 * @returns undefined in a process that is not a daemon, in forks of one, and after its disposal.
 * @throws nothing.
 *
 * Source: daemonkit's own. The same on all platforms.
 */
export function currentDaemon(): Daemon | undefined {
  return currentSlot() as Daemon | undefined;
}
