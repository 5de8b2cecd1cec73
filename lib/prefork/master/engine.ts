// The master: carries out the actions of next.ts, and reports the results to state.ts.
import { atFork } from '../../atfork/hooks.js';
import { type RegisteredMaster, registry } from '../../atfork/registry.js';
import { promised, Waits } from '../../base/abort.js';
import { clock } from '../../base/alarm.js';
import { deferred, settle } from '../../base/deferred.js';
import { asError, invalidState } from '../../base/errors.js';
import { reapOrphans } from '../../fork/reap.js';
import type { WaitEnd } from '../../posix/wait.js';
import type { HungWorker, UpgradeOptions } from '../options.js';
import type { PreforkPlan } from '../plan/settings.js';
import { type Action, next } from '../state/next.js';
import * as event from '../state/state.js';
import type { PreforkStats } from '../told.js';
import { upgradeOptions } from '../upgrade/program.js';
import * as upgrades from '../upgrade/upgrades.js';
import { Overseer } from '../watch/overseer.js';
import type { Limits } from '../watch/recycle.js';
import { beWorker } from '../worker/worker.js';
import { Callbacks, exitOf, withCode } from './callbacks.js';
import { type Birth, Crew, type Fork } from './crew.js';
import { Orders } from './orders.js';
import { Reloads } from './reloads.js';
import { Scales } from './scales.js';
import { SeatSockets } from './socket.js';
import { Turns } from './turns.js';

const never = () => new Promise<never>(() => {});

/** The implementation of {@link PreforkMaster}. In a fork of the master it does nothing. */
export class Engine {
  readonly #started = deferred<void>();
  readonly #over = deferred<void>();
  readonly #stops = new Waits<void>();
  readonly ready: Promise<void> = this.#started.promise;
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
  readonly #reloads: Reloads;
  readonly #scales = new Scales({
    provide: (seat) => this.#sockets.provide(seat),
    failed: (error) => this.#callbacks.error(error),
    apply: (seats) => this.#apply((state) => event.scaleAsked(state, seats)),
    least: () => Math.max(this.#plan.given.length, 1),
    runs: () => this.#turns.running,
  });
  readonly #crew: Crew;
  readonly #overseer: Overseer;
  readonly #turns: Turns;
  readonly #place: upgrades.Place;
  /** This process is a fork of the master. */
  #left = false;
  #closed = false;
  /** Pending while a new program ends that this master has abandoned, or that takes over. */
  #successor: Promise<void> | undefined;
  #ended = false;

  constructor(plan: PreforkPlan) {
    this.#plan = plan;
    const initial = { ...event.initial(plan.rules), cold: plan.warmup !== false };
    this.#turns = new Turns(initial, {
      changed: (before, after) => this.#overseer.changed(before, after),
      see: (state) => this.#see(state),
      act: (action) => this.#do(action),
    });
    this.#callbacks = new Callbacks(plan);
    this.#reloads = new Reloads(plan, this.#callbacks, this.#turns);
    this.#sockets = new SeatSockets(plan, plan.rules.seats);
    this.port = this.#sockets.port;
    try {
      this.#orders = new Orders(plan, {
        stop: () => {
          this.#place.toldToStop();
          void this.stop();
        },
        reload: () => this.#tells(promised(() => this.reload())),
        upgrade: () => this.#tells(this.upgrade()),
        scale: (by) => this.#scales.change(this.#state.seats + by),
        // Without its signals the master could not be stopped.
        deaf: (error) => this.#apply((state) => event.stopAsked(state, error)),
      });
    } catch (error) {
      this.#sockets.close(() => {});
      throw error;
    }
    this.#crew = this.#makeCrew();
    this.#overseer = new Overseer(plan, {
      state: () => this.#state,
      recycle: (pid, due) => this.#apply((state) => event.replacementAsked(state, pid, due)),
      hung: (worker) => this.#hung(worker),
      weigh: (pid) => this.#crew.tell(pid, 'weigh'),
    });
    if (plan.reapOrphans) this.#reaper = reapOrphans();
    this.#registered = { signals: this.#orders.signals, leave: (kept) => this.#leave(true, kept) };
    registry.masters.add(this.#registered);
    this.#hook = atFork({
      child: () => registry.makingWorker || this.#leave(false),
    });
    // `finished` reports the failure too, so this rejection must not count as unhandled.
    this.ready.catch(() => {});
    if (plan.title !== undefined) process.title = `${plan.title}: master`;
    this.#overseer.changed(undefined, this.#state);
    this.#place = new upgrades.Place({
      runs: () => this.#turns.running,
      stop: () => void this.stop(),
      told: () => this.#overseer.upgraded(),
    });
    this.#place.taken(() => {
      // Also directs connections, which the predecessor did until now.
      this.#turns.take();
      this.#crew.say('settled');
    });
    this.#turns.take();
    if (this.#state.cold) this.#reloads.warmFirst();
  }

  get pids(): number[] {
    return this.#crew.pids;
  }

  /** The present state; undefined in a fork of the master. */
  get state(): event.State | undefined {
    return this.#left ? undefined : this.#state;
  }

  reload(signal?: AbortSignal, surge = this.#plan.reloadSurge): Promise<void> {
    return this.#whileRunning(() => this.#reloads.ask(surge, signal));
  }

  scale(count: number, signal?: AbortSignal): Promise<void> {
    return this.#whileRunning(() => this.#scales.ask(count, signal));
  }

  async upgrade(options?: UpgradeOptions): Promise<number> {
    const { upgrade, rules } = this.#plan;
    const { signal, program } = upgradeOptions(options, upgrade.program);
    const attempt = { ...upgrade, program, patience: rules.stopTimeout };
    await this.#whileRunning(() => upgrades.ownUpgradeOver(signal));
    return this.#whileRunning(() => upgrades.askUpgrade(attempt, signal));
  }

  stop(signal?: AbortSignal): Promise<void> {
    if (this.#left) return never();
    this.#apply((state) => event.stopAsked(state));
    return this.#ended ? Promise.resolve() : this.#stops.add(signal);
  }

  stats(): PreforkStats {
    return this.#overseer.stats(true);
  }

  get #state(): event.State {
    return this.#turns.state;
  }

  /** In a fork of the master a call never settles. */
  #whileRunning<T>(call: () => Promise<T>): Promise<T> {
    if (this.#left) return never();
    if (this.#state.phase !== 'running') throw invalidState('the master has stopped');
    return call();
  }

  /** The worker gets its signal, then SIGKILL if it does not end. Its seat is filled at once. */
  #hung(worker: HungWorker): void {
    this.#callbacks.hang(worker);
    this.#apply((state, now) => event.hangs(state, now, worker));
  }

  #apply(happened: (state: event.State, now: number) => event.State): void {
    this.#turns.apply(happened);
  }

  /** Directs connections to workers as long as the master accepts any. */
  #see(state: event.State): void {
    if (state.phase !== 'running') {
      this.#retreat();
      return;
    }
    this.#sockets.steer(event.serving(state));
    const tell = (seat: number) => this.#apply((now) => event.remains(now, seat));
    this.#sockets.attend(state.seats, event.attended(state), tell);
  }

  #do(action: Action): void {
    if (action.do === 'fork') this.#crew.ask();
    else if (action.do === 'ask') this.#crew.kill(action.pid, 'SIGTERM');
    else if (action.do === 'kill') this.#crew.kill(action.pid, action.signal);
    else if (action.what === 'started') {
      settle(this.#started, action.error);
      this.#place.ready(action.error);
    } else if (action.what === 'reloaded') {
      this.#reloads.end(action.error, this.#state.phase === 'running');
    } else if (action.what === 'scaled') {
      this.#scales.end(action.error, this.#state.phase === 'running');
    } else this.#finish(action.error);
  }

  /** No worker is left. A new program must be gone too: nobody could end it after this process. */
  #finish(error?: Error): void {
    const end = () => {
      if (!this.#left) this.#end(error);
    };
    if (this.#successor === undefined) end();
    else this.#successor.then(end, end);
  }

  #retreat(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#successor = upgrades.abandonUpgrade();
    this.#sockets.close((error) => this.#callbacks.error(error));
  }

  #makeCrew(): Crew {
    return new Crew(this.#plan.fork, {
      wanted: () => this.#wanted(),
      forked: (fork, pid) =>
        this.#apply((state, now) => event.forked(state, now, { ...fork, pid })),
      forkFailed: (fork, error) => this.#forkHasFailed(fork, asError(error)),
      hookFailed: (error) => this.#callbacks.error(error),
      ready: (pid) => this.#apply((state, now) => event.becameReady(state, now, pid)),
      reports: (pid, report) => this.#overseer.heard(pid, report),
      leaving: (pid) => this.#apply((state, now) => event.leaves(state, now, pid)),
      ended: (pid, result) => this.#onEnd(pid, result),
    });
  }

  /** A fork that was requested earlier may not be needed any more. */
  #wanted(): Birth | undefined {
    const fork = next(this.#state, clock()).actions.find((action) => action.do === 'fork');
    if (fork === undefined) {
      this.#turns.take();
      return undefined;
    }
    const stops = this.#orders.stops;
    const limits = this.#overseer.draw();
    return {
      fork,
      become: (line) => this.#becomeWorker(fork, line, stops, limits),
      made: (pid, pull) => this.#overseer.add(pid, limits, pull),
    };
  }

  #forkHasFailed({ fresh }: Fork, error: Error): void {
    // A reload reports its own error.
    if (fresh !== 'reload') this.#callbacks.error(error);
    this.#apply((state, now) => event.forkFailed(state, now, fresh, withCode(error)));
  }

  #onEnd(pid: number, result: WaitEnd | undefined): void {
    const worker = this.#state.workers.find((one) => one.pid === pid);
    if (worker === undefined) return;
    this.#place.workerEnded(worker, result);
    this.#turns.note((state, now) => event.ended(state, now, pid));
    const exit = exitOf(worker, result, clock());
    this.#overseer.ended(worker, exit);
    this.#callbacks.exit(exit);
    this.#turns.take();
  }

  /** Reports the failure of a call that a signal has made. */
  #tells(done: Promise<unknown>): void {
    done.catch((error) => {
      if (this.#turns.running) this.#callbacks.error(error);
    });
  }

  #end(error?: Error): void {
    this.#ended = true;
    this.#hook[Symbol.dispose]();
    this.#orders[Symbol.dispose]();
    this.#reaper?.[Symbol.dispose]();
    registry.masters.delete(this.#registered);
    this.#overseer.leave();
    this.#place.leave();
    settle(this.#over, error);
    this.#stops.resolve();
  }

  #becomeWorker({ seat: id }: Fork, line: number, stops: number, limits: Limits): void {
    const [plan, socket, generation] = [this.#plan, this.#sockets.of(id), this.#state.generation];
    const stopRequested = () => this.#orders.stops !== stops;
    const pulse = this.#overseer.pulse(limits);
    const remains = id > this.#state.seats;
    beWorker({ id, generation, plan, socket, remains, line, pulse, stopRequested });
  }

  /** In a fork of the master: a worker of this or another master may keep a socket. */
  #leave(worker: boolean, kept?: number): void {
    if (this.#left) return;
    this.#left = true;
    this.#hook[Symbol.dispose]();
    if (worker) this.#orders[Symbol.dispose]();
    else this.#orders.leave();
    registry.masters.delete(this.#registered);
    this.#turns.leave();
    upgrades.forgetUpgrade();
    this.#place.leave();
    this.#reloads.forget();
    this.#stops.forget();
    this.#scales.forget();
    this.#crew.leave();
    this.#overseer.leave();
    if (!this.#closed) this.#sockets.leave(worker, kept);
  }
}
