// What prefork() returns: the words for what engine.ts does.
import { type InspectOptionsStylized, inspect } from 'node:util';
import { type Abortable, promised, waiting } from '../../base/abort.js';
import { shown } from '../../base/shown.js';
import type { ReloadOptions, UpgradeOptions } from '../options.js';
import { reloadCall, workerCount } from '../plan/scaling.js';
import type { PreforkPlan } from '../plan/settings.js';
import { described } from '../state/data.js';
import type { PreforkStats } from '../told.js';
import { Engine } from './engine.js';

/** What {@link prefork} returns, in the master. In copies of it, its promises never settle. */
export class PreforkMaster implements AsyncDisposable {
  /**
   * Resolves when all workers are ready for the first time. Rejected if that will not come: with
   * `ERR_INVALID_STATE` if the master is stopped before, with `ERR_WORKERS_FAILED` if it gave up
   * (`respawn.attempts`), or a worker that is not to be replaced has ended before it was ready.
   */
  readonly ready: Promise<void>;
  /**
   * Resolves when the master has stopped and no worker is left; rejected if it gave up
   * (`respawn.attempts`: `ERR_WORKERS_FAILED`).
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

  /** The pids of all workers there are, those on their way out as well. */
  get pids(): number[] {
    return this.#engine.pids;
  }

  /**
   * Returns the state of the workers, as they have reported it: at least every second, and within a tenth of one
   * when they have much to do. Private bytes and Pss are read from /proc now, some milliseconds for each
   * gigabyte that a worker has.
   *
   * @returns see {@link PreforkStats}; in a copy of the master no workers.
   * @throws nothing.
   *
   * Source: proc_pid_smaps(5).
   */
  stats(): PreforkStats {
    return this.#engine.stats();
  }

  /**
   * Replaces all workers, without refusing a connection: runs `onMasterReload`, forks new workers, and when
   * all of them are ready asks the old ones to end, one after the other. Does what SIGHUP does. A call
   * during a reload starts another one after it.
   *
   * @param options - `surge`: a rolling reload with so many workers more than usual at a time, 1 to 1024: each new one
   *   takes its seat as soon as it is ready, and the old one of that seat is asked to end. `Infinity`: all at once, as
   *   above. Default: the option `reloadSurge`. If several calls wait for the same reload, the smallest number holds.
   *   `signal`: an AbortSignal that takes the reload back, unless others have asked for the same one: the new workers
   *   that have no seat yet end, and the promise is rejected when they have ended. Once all new workers are ready it
   *   ends the wait only, as the old ones have begun to leave.
   * @returns a promise that resolves when the old workers have ended. Rejected, and the old workers stay (in a rolling
   *   reload those that were not replaced by then),
   *   with what `onMasterReload` has thrown (with a `code`, `ERR_RELOAD_FAILED` if it had none), `ETIMEDOUT`
   *   if that did not settle within `readyTimeout`, what fork() has thrown, `ERR_RELOAD_FAILED` if a new
   *   worker was not ready in time or ended before. With `ERR_INVALID_STATE` once the master stops. With an
   *   `AbortError` (`ABORT_ERR`, `cause` the reason) when aborted.
   */
  reload(options?: ReloadOptions): Promise<void> {
    return promised(() => {
      const { signal, surge } = reloadCall(options);
      return this.#engine.reload(signal, surge);
    });
  }

  /**
   * Changes the number of workers: forks those that lack, or asks those with the highest seats to end, which serve what
   * is under way to its end. The number stays when workers are replaced or reloaded. Does for one worker more or less
   * what SIGTTIN and SIGTTOU do. With `respawn: false` all seats that are empty are filled.
   *
   * @param count - how many, 1 to 1024, and not less than `listen` has descriptors.
   * @param options - `signal`: an AbortSignal that ends the wait. The number stays what was asked for, unless the
   *   signal had aborted before the call.
   * @returns a promise that resolves when so many workers are ready and all others with higher seats have ended. Rejected
   *   with a `TypeError` or `RangeError` for wrong arguments, and then nothing is changed; with `ERR_SCALE_FAILED` if
   *   another number is asked for meanwhile, or a worker that is not to be replaced has ended; with
   *   `ERR_INVALID_STATE` once the master stops; with an `AbortError` (`ABORT_ERR`, `cause` the reason) when aborted.
   */
  scale(count: number, options?: Abortable): Promise<void> {
    return waiting(options, (signal) => this.#engine.scale(workerCount(count, 'count'), signal));
  }

  /**
   * Has another program take this one's place, such as a new release of it, without losing a request: starts
   * it, with the listening sockets and the locked pidfile of this one. When all of its workers are ready (and,
   * if it calls `becomeDaemon()`, it is a daemon that is ready) it is the one that the pidfile and the
   * service manager know, and this process stops as by {@link PreforkMaster.stop}. If it fails, or is not
   * ready in time, it is ended with all that it has started, and this process goes on as before. Does what
   * SIGUSR2 does, for all masters of this process. A call during an upgrade joins it. docs/prefork.md has
   * more.
   *
   * @param options - `signal`: an AbortSignal that takes the upgrade back, unless others have asked for the
   *   same one, or the new program is ready already: then it ends the wait only. And
   *   {@link UpgradeProgram}, instead of the option `upgradeProgram`.
   * @returns a promise that resolves with the pid of the new program. Rejected with an {@link UpgradeError}
   *   (`step`, `stderr`, `exitCode`, `signal`): `ERR_UPGRADE_FAILED` if it has ended or has failed, `ETIMEDOUT`
   *   if it was not ready within `upgradeTimeout`, `ENOENT`, `EACCES` and such (syscall `execve`, `chdir`), `EAGAIN`,
   *   `ENOMEM` (`fork`). `ENOTSUP` (`execve`) if it cannot be started: in a chroot, a script from standard
   *   input; or if a supervisor knows the service by this process alone (s6, runit, process 1 of a container).
   *   `ERR_INVALID_STATE` once the master stops. An `AbortError` (`ABORT_ERR`, `cause` the reason) when
   *   aborted. `TypeError` for wrong options.
   *
   * Linux. Source: execve(2), flock(2); nginx(8) and unicorn, SIGUSR2; sd_notify(3), MAINPID.
   */
  async upgrade(options?: UpgradeOptions): Promise<number> {
    return this.#engine.upgrade(options);
  }

  /**
   * Stops: closes the listening socket (unless it is the caller's), asks all workers to end and kills
   * those that do not, and gives the signals back. Does what SIGTERM does. The process goes on until
   * nothing else holds it.
   *
   * @param options - `signal`: an AbortSignal that ends the wait. The master goes on to stop, unless the
   *   signal had aborted before the call.
   * @returns a promise that resolves when no worker is left. Rejected with an `AbortError` (`ABORT_ERR`,
   *   `cause` the reason) when aborted.
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
