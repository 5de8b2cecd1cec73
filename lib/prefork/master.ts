// The master: has done what next.ts says, and tells state.ts what came of it.
import { type InspectOptionsStylized, inspect } from 'node:util';
import { atFork } from '../atfork/hooks.js';
import { type RegisteredMaster, registry } from '../atfork/registry.js';
import { type Abortable, Waits, waiting } from '../base/abort.js';
import { deferred, settle } from '../base/deferred.js';
import { asError, invalidState } from '../base/errors.js';
import { shown } from '../base/shown.js';
import { reapOrphans } from '../fork/reap.js';
import { type WaitEnd, waitpid } from '../posix/wait.js';
import { Alarm, clock } from './alarm.js';
import { type Born, ForkTurn, forkWithLine } from './birth.js';
import { Callbacks, exitOf, withCode } from './callbacks.js';
import { Member } from './member.js';
import { type Action, next } from './next.js';
import { Orders } from './orders.js';
import { Reloads } from './reloads.js';
import type { PreforkPlan } from './settings.js';
import { SeatSockets } from './socket.js';
import * as event from './state.js';
import { beWorker } from './worker.js';

const never = () => new Promise<never>(() => {});

type Fork = Action & { do: 'fork' };

/** What {@link prefork} returns, in the master. In copies of it, its promises never settle. */
export class PreforkMaster implements AsyncDisposable {
  readonly #started = deferred<void>();
  readonly #over = deferred<void>();
  readonly #stops = new Waits<void>();
  /**
   * Resolves when all workers are ready for the first time. Rejected if that will not come: with
   * `ERR_INVALID_STATE` if the master is stopped before, with `ERR_WORKERS_FAILED` if it gave up
   * (`respawn.attempts`), or a worker that is not to be replaced has ended before it was ready.
   */
  readonly ready: Promise<void> = this.#started.promise;
  /**
   * Resolves when the master has stopped and no worker is left; rejected if it gave up
   * (`respawn.attempts`: `ERR_WORKERS_FAILED`).
   */
  readonly finished: Promise<void> = this.#over.promise;
  /** The TCP port; 0 without one. */
  readonly port: number;
  readonly #plan: PreforkPlan;
  readonly #callbacks: Callbacks;
  readonly #sockets: SeatSockets;
  readonly #orders: Orders;
  readonly #registered: RegisteredMaster;
  readonly #hook: Disposable;
  readonly #reaper: Disposable | undefined;
  readonly #alarm = new Alarm(() => this.#turn());
  readonly #reloads = new Reloads({
    begin: (isCurrent) => this.#beginReload(isCurrent),
    abandon: (error) => this.#abandonReload(error),
  });
  readonly #forkTurn = new ForkTurn();
  readonly #members = new Map<number, Member>();
  #state: event.State;
  /** This process is a copy of the master. */
  #left = false;
  #turning = false;
  #closed = false;

  /** @internal */
  constructor(plan: PreforkPlan) {
    this.#plan = plan;
    this.#state = event.initial(plan.rules);
    this.#callbacks = new Callbacks(plan);
    this.#sockets = new SeatSockets(plan, plan.rules.seats);
    this.port = this.#sockets.port;
    try {
      this.#orders = new Orders(plan, {
        stop: () => void this.stop(),
        reload: () => this.reload().catch((error) => this.#reloadHasFailed(error)),
        // A master that could not be stopped.
        deaf: (error) => this.#apply((state) => event.stopAsked(state, error)),
      });
    } catch (error) {
      this.#sockets.close(() => {});
      throw error;
    }
    if (plan.reapOrphans) this.#reaper = reapOrphans();
    const signals = [...plan.stopSignals, ...plan.reloadSignals];
    this.#registered = { signals, leave: (kept) => this.#leave(true, kept) };
    registry.masters.add(this.#registered);
    this.#hook = atFork({
      before: () => this.#orders.forks(),
      child: () => registry.makingWorker || this.#leave(false),
    });
    // Who does not ask for it need not hear that it failed; `finished` tells.
    this.ready.catch(() => {});
    if (plan.title !== undefined) process.title = `${plan.title}: master`;
    this.#turn();
  }

  /** The pids of all workers there are, those on their way out as well. */
  get pids(): number[] {
    return [...this.#members.keys()];
  }

  /**
   * Replaces all workers, without refusing a connection: runs `onMasterReload`, forks new workers, and when
   * all of them are ready asks the old ones to end, one after the other. Does what SIGHUP does. A call
   * during a reload starts another one after it.
   *
   * @param options - `signal`: an AbortSignal that takes the reload back, unless others have asked for the
   *   same one: the new workers end, and the promise is rejected when they are gone. Once all new workers
   *   are ready it ends the wait only, as the old ones have begun to leave.
   * @returns a promise that resolves when the old workers are gone. Rejected, and the old workers stay,
   *   with what `onMasterReload` has thrown (with a `code`, `ERR_RELOAD_FAILED` if it had none), `ETIMEDOUT`
   *   if that did not settle within `readyTimeout`, what fork() has thrown, `ERR_RELOAD_FAILED` if a new
   *   worker was not ready in time or ended before. With `ERR_INVALID_STATE` once the master stops. With an
   *   `AbortError` (`ABORT_ERR`, `cause` the reason) when aborted.
   */
  reload(options?: Abortable): Promise<void> {
    return waiting(options, (signal) => {
      if (this.#left) return never();
      if (this.#state.phase !== 'running') throw invalidState('the master has stopped');
      return this.#reloads.ask(signal);
    });
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
    return waiting(options, (signal) => {
      if (this.#left) return never();
      this.#apply((state) => event.stopAsked(state));
      return this.#state.phase === 'ended' ? Promise.resolve() : this.#stops.add(signal);
    });
  }

  /** As {@link stop}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** @internal */
  [inspect.custom](depth: number, options: InspectOptionsStylized): string {
    const seen = this.#left ? { state: 'a copy' } : event.described(this.#state);
    const state = { port: this.port, ...seen };
    return shown(this, state, depth, options);
  }

  /** Something has happened. */
  #apply(happened: (state: event.State, now: number) => event.State): void {
    if (this.#left) return;
    this.#state = happened(this.#state, clock());
    this.#turn();
  }

  /** Does what is to be done, until nothing is. */
  #turn(): void {
    // What is done may be an event: the loop goes round once more.
    if (this.#turning || this.#left) return;
    this.#turning = true;
    try {
      while (this.#step().some((action) => action.do !== 'fork'));
    } finally {
      this.#turning = false;
    }
  }

  #step(): readonly Action[] {
    const { state, actions, wakeAt } = next(this.#state, clock());
    this.#state = state;
    if (state.phase !== 'running') this.#closeSocket();
    else this.#sockets.steer(event.serving(state));
    for (const action of actions) this.#do(action);
    this.#alarm.set(wakeAt);
    return actions;
  }

  #do(action: Action): void {
    if (action.do === 'fork') this.#forkTurn.ask(() => this.#fork());
    else if (action.do === 'ask') this.#members.get(action.pid)?.kill('SIGTERM');
    else if (action.do === 'kill') this.#members.get(action.pid)?.kill('SIGKILL');
    else if (action.what === 'started') settle(this.#started, action.error);
    else if (action.what === 'reloaded') {
      this.#reloads.end(action.error, this.#state.phase === 'running');
    } else this.#end(action.error);
  }

  #closeSocket(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sockets.close((error) => this.#callbacks.error(error));
  }

  #fork(): void {
    // What was wanted then may not be wanted now.
    const wanted = next(this.#state, clock()).actions.find((action) => action.do === 'fork');
    if (wanted === undefined) {
      this.#turn();
      return;
    }
    const stops = this.#orders.stops;
    let born: Born;
    try {
      born = forkWithLine(this.#plan.fork);
    } catch (error) {
      this.#forkHasFailed(wanted, asError(error));
      return;
    }
    if (born.pid === 0) this.#becomeWorker(wanted, born.line, stops);
    else this.#enlist(wanted, born);
  }

  #forkHasFailed({ fresh }: Fork, error: Error): void {
    // That of a reload is told by the reload.
    if (!fresh) this.#callbacks.error(error);
    this.#apply((state, now) => event.forkFailed(state, now, fresh, withCode(error)));
  }

  #enlist({ seat, fresh }: Fork, { pid, line, error }: Born): void {
    if (error !== undefined) this.#callbacks.error(error);
    try {
      const told = {
        ready: () => this.#apply((state, now) => event.becameReady(state, now, pid)),
        leaving: () => this.#apply((state, now) => event.leaves(state, now, pid)),
        ended: (result?: WaitEnd) => this.#onEnd(pid, result),
      };
      this.#members.set(pid, new Member(pid, line, told));
    } catch (failure) {
      process.kill(pid, 'SIGKILL');
      waitpid(pid);
      this.#forkHasFailed({ do: 'fork', seat, fresh }, failure as Error);
      return;
    }
    this.#apply((state, now) => event.forked(state, now, { pid, seat, fresh }));
  }

  #onEnd(pid: number, result: WaitEnd | undefined): void {
    const worker = this.#state.workers.find((one) => one.pid === pid);
    this.#members.delete(pid);
    if (worker === undefined) return;
    this.#state = event.ended(this.#state, clock(), pid);
    this.#callbacks.exit(exitOf(worker, result, clock()));
    this.#turn();
  }

  #beginReload(isCurrent: () => boolean): void {
    this.#apply((state, now) => event.reloadAsked(state, now));
    this.#callbacks.reload((error) => {
      // Not of an earlier one, whose time was over.
      if (isCurrent()) this.#apply((state, now) => event.hookSettled(state, now, error));
    });
  }

  #abandonReload(error: Error): boolean {
    const inTime = event.reloadAbandoned(this.#state, error) !== this.#state;
    this.#apply((state) => event.reloadAbandoned(state, error));
    return inTime;
  }

  #reloadHasFailed(error: Error): void {
    if (!this.#left && this.#state.phase === 'running') this.#callbacks.error(error);
  }

  #end(error?: Error): void {
    this.#hook[Symbol.dispose]();
    this.#orders[Symbol.dispose]();
    this.#reaper?.[Symbol.dispose]();
    registry.masters.delete(this.#registered);
    settle(this.#over, error);
    this.#stops.resolve();
  }

  #becomeWorker({ seat: id }: Fork, line: number, stops: number): void {
    const [plan, socket, generation] = [this.#plan, this.#sockets.of(id), this.#state.generation];
    const stopRequested = () => this.#orders.stops !== stops;
    beWorker({ id, generation, plan, socket, line, stopRequested });
  }

  /** In a copy of the master, which may be a worker of this or another one, and keep a socket. */
  #leave(worker: boolean, kept?: number): void {
    if (this.#left) return;
    this.#left = true;
    this.#hook[Symbol.dispose]();
    if (worker) this.#orders[Symbol.dispose]();
    else this.#orders.leave();
    registry.masters.delete(this.#registered);
    this.#alarm.clear();
    this.#forkTurn.leave();
    this.#reloads.forget();
    this.#stops.forget();
    for (const member of this.#members.values()) member.forget();
    this.#members.clear();
    if (!this.#closed) this.#sockets.leave(worker, kept);
  }
}
