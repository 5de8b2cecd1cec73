// The master: which workers there are, and which there should be.
import { atFork } from '../atfork.js';
import { deferred } from '../deferred.js';
import { invalidState } from '../errors.js';
import { quiesce } from '../fork.js';
import { waitpid } from '../process.js';
import { Backoff } from './backoff.js';
import { forkWithLine } from './line.js';
import { Member } from './member.js';
import type { PreforkPlan, WorkerExit } from './options.js';
import { Orders } from './orders.js';
import { SharedSocket } from './socket.js';
import { beWorker } from './worker.js';

/** How long a fork waits for the thread pool of the master. Then the workers matter more. */
const QUIET_MS = 1000;

const never = () => new Promise<never>(() => {});

/**
 * running: seats are filled; stopping: they are not; ended: no worker is left; left: this process is
 * a copy of the master.
 */
type Phase = 'running' | 'stopping' | 'ended' | 'left';

/** What {@link prefork} returns, in the master. In copies of it, its promises never settle. */
export class PreforkMaster implements AsyncDisposable {
  readonly #started = deferred<void>();
  readonly #over = deferred<void>();
  /** Resolves when all workers are ready for the first time; rejected if the master stops before. */
  readonly ready: Promise<void> = this.#started.promise;
  /**
   * Resolves when the master has stopped and no worker is left; rejected if it gave up
   * (`respawn.attempts`).
   */
  readonly finished: Promise<void> = this.#over.promise;
  /** The TCP port; 0 without one. */
  readonly port: number;
  readonly #plan: PreforkPlan;
  readonly #socket: SharedSocket;
  readonly #backoff: Backoff;
  readonly #orders: Orders;
  readonly #hook: Disposable;
  readonly #members = new Set<Member>();
  /** By seat; undefined is to be filled, null is not. */
  #seats: (Member | undefined | null)[];
  #phase: Phase = 'running';
  #generation = 0;
  /** A fork of our own is under way: its child leaves the master when it has its own signals. */
  #forking = false;
  #filling: Promise<void> | undefined;
  /** A reload is forking: the seats wait. */
  #held = false;
  #reload: Promise<void> | undefined;
  #nextReload: Promise<void> | undefined;
  #stop: Promise<void> | undefined;

  /** @internal */
  constructor(plan: PreforkPlan) {
    this.#plan = plan;
    this.#socket = new SharedSocket(plan.listen);
    this.port = this.#socket.port;
    try {
      this.#orders = new Orders(plan, {
        stop: () => void this.stop(),
        reload: () => {
          this.reload().catch((error) => this.#phase === 'running' && plan.onError(error));
        },
        // A master that could not be stopped.
        deaf: (error) => {
          this.#stop ??= this.#end(error);
        },
      });
    } catch (error) {
      this.#socket.close(plan.onError);
      throw error;
    }
    this.#hook = atFork({ child: () => this.#forking || this.#leave() });
    this.#backoff = new Backoff(plan.respawn);
    this.#seats = new Array(plan.workers).fill(undefined);
    // Who does not ask for it need not hear that it failed; `finished` tells.
    this.ready.catch(() => {});
    if (plan.title !== undefined) process.title = `${plan.title}: master`;
    this.#fill();
  }

  /** The pids of all workers there are, those on their way out as well. */
  get pids(): number[] {
    return [...this.#members].map(({ pid }) => pid);
  }

  /**
   * Replaces all workers, without refusing a connection: runs `onReload`, forks new workers, and when
   * all of them are ready asks the old ones to end, one after the other. Does what SIGHUP does. A call
   * during a reload starts another one after it.
   *
   * @returns a promise that resolves when the old workers are gone. It is rejected if `onReload`
   *   failed, a fork did, or a new worker was not ready in time or ended before; the old workers then
   *   stay. With `ERR_INVALID_STATE` once the master stops.
   */
  reload(): Promise<void> {
    if (this.#phase === 'left') return never();
    if (this.#phase !== 'running') return Promise.reject(invalidState('the master has stopped'));
    if (this.#reload === undefined) {
      this.#reload = this.#replaceAll().finally(() => {
        this.#reload = undefined;
      });
      return this.#reload;
    }
    this.#nextReload ??= this.#reload
      .catch(() => {})
      .then(() => {
        this.#nextReload = undefined;
        return this.reload();
      });
    return this.#nextReload;
  }

  /**
   * Stops: closes the listening socket (unless it is the caller's), asks all workers to end and kills
   * those that do not, and gives the signals back. Does what SIGTERM does. The process goes on until
   * nothing else holds it.
   *
   * @returns a promise that resolves when no worker is left.
   */
  stop(): Promise<void> {
    if (this.#phase === 'left') return never();
    this.#stop ??= this.#end();
    return this.#stop;
  }

  /** As {@link stop}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Whether a seat is to be filled. */
  #due(): boolean {
    return this.#phase === 'running' && !this.#held && this.#seats.includes(undefined);
  }

  #fill(): void {
    // With nothing to do #fillSeats() ends before ??= keeps its promise, which would stay for good.
    if (this.#due()) this.#filling ??= this.#fillSeats();
  }

  /** Forks what is missing: all at once, but while they fail one after the other, with pauses. */
  async #fillSeats(): Promise<void> {
    while (this.#due()) {
      await this.#backoff.pause();
      if (!this.#due()) break;
      const seat = this.#seats.indexOf(undefined);
      try {
        const member = await this.#spawn(seat + 1, () => this.#due());
        if (member === undefined) break;
        this.#seats[seat] = member;
        if (this.#backoff.failing) await Promise.race([member.ended, this.#backoff.proof()]);
      } catch (error) {
        this.#plan.onError(error as Error);
        this.#failed();
      }
    }
    // In the same step as the last look: a seat that is vacated later finds nobody filling.
    this.#filling = undefined;
  }

  /** Forks one worker, from a clean turn of the event loop. In the worker it does not return. */
  async #spawn(id: number, wanted: () => boolean): Promise<Member | undefined> {
    await new Promise((resolve) => setImmediate(resolve));
    await quiesce({ timeout: QUIET_MS }).catch(() => {});
    if (!wanted()) return undefined;
    const stops = this.#orders.stops;
    this.#forking = true;
    let child: ReturnType<typeof forkWithLine>;
    try {
      child = forkWithLine();
    } finally {
      this.#forking = false;
    }
    if (child.pid !== 0) return this.#enlist(id, child);
    const [plan, socket, generation] = [this.#plan, this.#socket.fd, this.#generation];
    const stopRequested = () => this.#orders.stops !== stops;
    const leaveMaster = () => this.#leave();
    void beWorker({ id, generation, plan, socket, line: child.line, leaveMaster, stopRequested });
    return never();
  }

  #enlist(id: number, { pid, line }: { pid: number; line: number }): Member {
    let member: Member;
    try {
      member = new Member(this.#plan, id, this.#generation, pid, line);
    } catch (error) {
      process.kill(pid, 'SIGKILL');
      waitpid(pid);
      throw error;
    }
    this.#members.add(member);
    void member.ready.then((ready) => ready && this.#onReady(member));
    void member.ended.then((exit) => this.#onEnd(member, exit));
    return member;
  }

  #onReady(member: Member): void {
    if (this.#seats.every((seat) => seat?.isReady)) this.#started.resolve();
    this.#backoff.watch(() => this.#members.has(member));
  }

  #onEnd(member: Member, exit: WorkerExit): void {
    this.#members.delete(member);
    const seat = this.#seats.indexOf(member);
    if (seat >= 0) this.#seats[seat] = this.#plan.respawn === undefined ? null : undefined;
    if (seat >= 0 && !exit.asked && !member.proven) this.#failed();
    this.#plan.onExit?.(exit);
    if (this.#phase !== 'running') return;
    if (this.#seats.every((other) => other === null)) void this.stop();
    else this.#fill();
  }

  #failed(): void {
    if (this.#backoff.fail()) return;
    const message = `${this.#backoff.failures} workers in a row have failed`;
    const error = Object.assign(new Error(message), { code: 'ERR_WORKERS_FAILED' });
    this.#stop ??= this.#end(error);
  }

  async #replaceAll(): Promise<void> {
    // A pause ends: what made the workers fail may be what is about to be changed.
    this.#held = true;
    this.#backoff.wake();
    await this.#filling;
    let fresh: Member[];
    try {
      await this.#plan.onReload?.();
      this.#generation++;
      fresh = await this.#spawnAll();
    } finally {
      this.#held = false;
      this.#fill();
    }
    const old = [...this.#members].filter((member) => !fresh.includes(member));
    for (const member of old) await member.retire();
  }

  /** Forks a worker for each seat, and seats them when all are ready; else none of them stays. */
  async #spawnAll(): Promise<Member[]> {
    const fresh: Member[] = [];
    try {
      while (fresh.length < this.#seats.length) {
        const member = await this.#spawn(fresh.length + 1, () => this.#phase === 'running');
        if (member === undefined) throw invalidState('the master stops');
        fresh.push(member);
      }
      const ready = await Promise.all(fresh.map((member) => member.ready));
      if (ready.includes(false)) throw new Error('a new worker has ended before it was ready');
    } catch (error) {
      await Promise.all(fresh.map((member) => member.retire()));
      throw error;
    }
    this.#seats = fresh.map((member) => (this.#members.has(member) ? member : undefined));
    this.#started.resolve();
    return fresh;
  }

  async #end(error?: Error): Promise<void> {
    this.#phase = 'stopping';
    this.#backoff.wake();
    this.#socket.close(this.#plan.onError);
    this.#started.reject(error ?? invalidState('the master was stopped'));
    // Whoever is forking has seen the phase before its fork, or has enlisted the worker by now.
    await Promise.all([...this.#members].map((member) => member.retire()));
    await this.#filling;
    this.#phase = 'ended';
    this.#hook[Symbol.dispose]();
    this.#orders[Symbol.dispose]();
    this.#backoff.clear();
    if (error === undefined) this.#over.resolve();
    else this.#over.reject(error);
  }

  /** In a copy of the master. */
  #leave(): void {
    if (this.#phase === 'left') return;
    this.#phase = 'left';
    this.#hook[Symbol.dispose]();
    this.#orders[Symbol.dispose]();
    this.#backoff.clear();
    for (const member of this.#members) member.forget();
    this.#members.clear();
  }
}
