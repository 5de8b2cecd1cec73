// The daemon's handle: readiness, and the clean-up at its end.
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

/** A stopped launcher, or one that blocks on a stopped terminal, must not block the daemon. */
const LAUNCHER_EXIT_MS = 1000;

/**
 * The handle that {@link becomeDaemon} returns in the daemon. The pidfile is removed when the
 * handle is disposed, at the process's 'exit' event, and on SIGTERM.
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

  /** The pidfile's path, as before any chroot; undefined without a pidfile. */
  get pidfile(): string | undefined {
    return this.#birth.pidfile?.path;
  }

  /**
   * Reports that the daemon is ready: to the launcher, which exits with 0; to the service manager
   * (READY=1; if there is a launcher, it sends this, with MAINPID); and to the reader of
   * `notifyFd`. From here on standard error goes to the log, and the keep-alive messages of
   * `watchdog` begin. Does nothing if it was called before, if SIGTERM is about to end the daemon,
   * and in a fork of the daemon.
   *
   * If the launcher has been killed, its caller assumes that the start failed. Then the process
   * ends with code 1, after its 'exit' listeners.
   *
   * @throws without a launcher, what {@link notify} throws, and `EPIPE` (syscall `write`) if
   *   `notifyFd` has no reader. After an error the daemon is not ready, and a further call tries
   *   again.
   *
   * Source: daemon(7) steps 14 and 15; sd_notify(3).
   */
  ready(): void {
    if (this.#ready || this.#terminated || process.pid !== this.#pid) return;
    if (succession.onTrial) {
      // The predecessor reports to the manager, which may accept messages only from the main
      // process.
      afterTrial((alone) => this.#succeed(alone));
      isReadyNow(this.#birth);
      return;
    }
    const { lines } = this.#birth;
    // First, because it may fail. Then nothing has happened, and ready() can be called again.
    announceByDescriptor(this.#birth);
    // If there is a launcher, it reports to the manager, because it is the main process until it
    // exits.
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

  /** Called when the predecessor has handed over. */
  #succeed(alone: boolean): void {
    if (this.#ready || this.#terminated || currentSlot() !== this) return;
    if (alone) tryNotify({ mainPid: this.#pid, ready: true });
    this.#becomeReady();
  }

  /** A successor takes over: for the manager, and for readers of the pidfile. */
  #makeWay(): void {
    this.#stopping = true;
    this.#watchdog?.[Symbol.dispose]();
  }

  /**
   * Reports in one line what the daemon is doing: to the service manager (STATUS=). Without a
   * manager, the launcher prints the line, and the log has it too, while the launcher waits. Later
   * ps(1) shows it after the script's name, as far as there is room (see `process.title`).
   *
   * @param text - a single line; an empty text clears the status.
   * @throws `TypeError`, `RangeError` for anything except a line of at most 4,000 bytes. Nothing if
   *   the manager has ended.
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
   * Reports to the service manager that the daemon reloads its configuration while `work` runs, and
   * that it is ready again when `work` has returned or its promise has settled: RELOADING=1,
   * MONOTONIC_USEC, READY=1, as Type=notify-reload requires. Overlapping reloads are reported as
   * one. Reopening log files by `reopenOn` is reported in the same way.
   *
   * @param work - the function that reloads. If it fails, the manager shows the error as the
   *   status, and the daemon still counts as ready.
   * @returns what `work` returns.
   * @throws what `work` throws. Before {@link Daemon.ready}, without a manager, in a fork, and if
   *   the manager has ended, only `work` runs.
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
   * Reports to the service manager that the shutdown has begun (STOPPING=1). The process's 'exit'
   * event and SIGTERM report it too; call this function earlier if the shutdown takes time.
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
   * Opens the log files again by their paths, for log rotation, and makes missing files. Rename the
   * file, then call this function: every line is in one of the two files. With the option
   * `reopenOn` a signal reopens the files, and errors go to standard error.
   *
   * @throws with `step` `stdio` the error of open(2), with `path`: `ENOENT` for a file outside of
   *   the chroot, `EACCES` if `user` may not write to the file or make files there; `ELOOP`,
   *   `ENXIO`, `EINVAL`, `EPERM` as {@link redirect}. After an error all descriptors still lead to
   *   the old files.
   */
  reopenLogs(): void {
    reopenFiles(this.#birth);
  }

  /**
   * Removes the pidfile and releases its lock. The process continues, but `reopenOn` no longer
   * reopens logs.
   */
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
    // The launcher must report the signal, as if the daemon had no handler.
    tell(lines.channel, `t${SIGTERM}`);
    process.exit(128 + SIGTERM);
  }

  /** In a fork of the daemon: the pidfile, its lock and the launcher belong to the daemon only. */
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
 * Returns the handle of the daemon that this process is, made by `becomeDaemon()` in another module
 * or by the command `daemonkit start`. An application under `daemonkit start --ready manual` calls
 * its `ready()`. An application that also runs without the command begins with
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
