// The object that prefork() returns: the public interface of engine.ts.
import { type InspectOptionsStylized, inspect } from 'node:util';
import { type Abortable, promised, waiting } from '../../base/abort.js';
import { shown } from '../../base/shown.js';
import type { ReloadOptions, UpgradeOptions } from '../options.js';
import { reloadCall, workerCount } from '../plan/scaling.js';
import type { PreforkPlan } from '../plan/settings.js';
import { described } from '../state/data.js';
import type { PreforkStats } from '../told.js';
import { Engine } from './engine.js';

/**
 * The result of {@link prefork}, in the master. In forks of the master its promises never settle.
 */
export class PreforkMaster implements AsyncDisposable {
  /**
   * Resolves when all workers are ready for the first time. Rejected with `ERR_INVALID_STATE` if
   * the master is stopped before; with `ERR_WORKERS_FAILED` if the master gave up
   * (`respawn.attempts`), or a worker that is not replaced has ended before it was ready.
   */
  readonly ready: Promise<void>;
  /**
   * Resolves when the master has stopped and neither a worker nor a cancelled upgrade's new program
   * is left; rejected if it gave up (`respawn.attempts`: `ERR_WORKERS_FAILED`).
   */
  readonly finished: Promise<void>;
  /** The TCP port; 0 without one. */
  readonly port: number;
  readonly #engine: Engine;

  /** @internal */
  constructor(plan: PreforkPlan) {
    this.#engine = new Engine(plan);
    this.ready = this.#engine.ready;
    this.finished = this.#engine.finished;
    this.port = this.#engine.port;
  }

  /** The pids of all workers, including those that are ending. */
  get pids(): number[] {
    return this.#engine.pids;
  }

  /**
   * Returns the state of the workers. Workers report at least every second, and within a tenth of a
   * second when they are busy. The call reads private bytes and Pss from /proc, which takes some
   * milliseconds for each gigabyte of a worker.
   *
   * @returns see {@link PreforkStats}; without workers in a fork of the master.
   * @throws nothing.
   *
   * Source: proc_pid_smaps(5).
   */
  stats(): PreforkStats {
    return this.#engine.stats();
  }

  /**
   * Replaces all workers without refusing a connection: runs `onMasterReload`, forks new workers,
   * and when all of them are ready asks the old ones to end, one after the other. SIGHUP does the
   * same. A call during a reload starts another reload after it.
   *
   * @param options - `surge`: a rolling reload with at most so many additional workers at a time, 1
   *   to 1024. Each new worker takes its seat as soon as it is ready, and the old worker of that
   *   seat is asked to end. `Infinity`: all at once, as above. Default: the option `reloadSurge`.
   *   If several calls wait for the same reload, the smallest number counts. `signal`: an
   *   AbortSignal that cancels the reload, unless another call waits for the same one: new workers
   *   without a seat end, then the promise is rejected. Once all new workers are ready it only ends
   *   the wait, because the old workers have begun to end.
   * @returns a promise that resolves when the old workers have ended. If the reload fails, the old
   *   workers stay (in a rolling reload those that were not replaced yet), and the promise is
   *   rejected: with the error of `onMasterReload` (with the `code` `ERR_RELOAD_FAILED` if it has
   *   none), `ETIMEDOUT` if that did not settle within `readyTimeout`, the error of fork(), or
   *   `ERR_RELOAD_FAILED` if a new worker was not ready in time or ended before.
   *   `ERR_INVALID_STATE` once the master stops. An `AbortError` (`ABORT_ERR`, with the signal's
   *   reason as `cause`) if aborted.
   */
  reload(options?: ReloadOptions): Promise<void> {
    return promised(() => {
      const { signal, surge } = reloadCall(options);
      return this.#engine.reload(signal, surge);
    });
  }

  /**
   * Changes the number of workers: forks the missing ones, or asks those with the highest seats to
   * end, which first finish their pending requests. The number stays when workers are replaced or
   * reloaded. SIGTTIN and SIGTTOU do the same for one worker more or less. With `respawn: false`
   * all empty seats are filled.
   *
   * @param count - the number of workers, 1 to 1024, and at least the number of descriptors in
   *   `listen`.
   * @param options - `signal`: an AbortSignal that ends the wait. The requested number remains,
   *   unless the signal had aborted before the call.
   * @returns a promise that resolves when so many workers are ready and all workers with higher
   *   seats have ended. Rejected with a `TypeError` or `RangeError` for wrong arguments, without
   *   any change; with `ERR_SCALE_FAILED` if a later call requests another number, or a worker that
   *   is not replaced has ended; with `ERR_INVALID_STATE` once the master stops; with an
   *   `AbortError` (`ABORT_ERR`, with the signal's reason as `cause`) if aborted.
   */
  scale(count: number, options?: Abortable): Promise<void> {
    return waiting(options, (signal) => this.#engine.scale(workerCount(count, 'count'), signal));
  }

  /**
   * Replaces this program by another one, such as a new release, without losing a request. Starts
   * the new program with the listening sockets and the locked pidfile of this one. When all workers
   * of the new program are ready (and, if it calls `becomeDaemon()`, the daemon is ready), pidfile
   * and service manager switch to it, and this process stops as by {@link PreforkMaster.stop}. If
   * the new program fails, or is not ready in time, it is ended with everything that it has
   * started, and this process continues as before. SIGUSR2 does the same. The upgrade includes all
   * masters of this process. A call during an upgrade joins it. See docs/prefork.md.
   *
   * @param options - `signal`: an AbortSignal that cancels the upgrade. If another call waits for
   *   the same upgrade, or the new program is already ready, it only ends the wait. The properties
   *   of {@link UpgradeProgram} replace the option `upgradeProgram`.
   * @returns a promise that resolves with the pid of the new program. Rejected with an {@link
   *   UpgradeError} (`step`, `stderr`, `exitCode`, `signal`): `ERR_UPGRADE_FAILED` if the new
   *   program has ended or failed, `ETIMEDOUT` if it was not ready within `upgradeTimeout`,
   *   `ENOENT`, `EACCES` and others (syscall `execve`, `chdir`), `EAGAIN`, `ENOMEM` (`fork`).
   *   `ENOTSUP` (`execve`) if the program cannot be started: in a chroot, or for a script from
   *   standard input; also if a supervisor identifies the service only by this process (s6, runit,
   *   process 1 of a container). `ERR_INVALID_STATE` once the master stops. An `AbortError`
   *   (`ABORT_ERR`, with the signal's reason as `cause`) if aborted. `TypeError` for wrong options.
   *
   * Linux. Source: execve(2), flock(2); nginx(8) and unicorn, SIGUSR2; sd_notify(3), MAINPID.
   */
  async upgrade(options?: UpgradeOptions): Promise<number> {
    return this.#engine.upgrade(options);
  }

  /**
   * Stops the master: closes the listening socket (unless the caller opened it), asks all workers
   * to end, kills those that do not end, and releases the signals. SIGTERM does the same. The
   * process continues as long as anything else keeps it alive.
   *
   * @param options - `signal`: an AbortSignal that ends the wait. The master still stops, unless
   *   the signal had aborted before the call.
   * @returns a promise that resolves when no worker is left, and nothing of a new program whose
   *   upgrade the stop has cancelled. Rejected with an `AbortError` (`ABORT_ERR`, with the signal's
   *   reason as `cause`) if aborted.
   */
  stop(options?: Abortable): Promise<void> {
    return waiting(options, (signal) => this.#engine.stop(signal));
  }

  /** As {@link stop}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** @internal */
  [inspect.custom](depth: number, options: InspectOptionsStylized): string {
    const known = this.#engine.state;
    const seen = known === undefined ? { state: 'a copy' } : described(known);
    const state = { port: this.port, ...seen };
    return shown(this, state, depth, options);
  }
}
