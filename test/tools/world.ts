// A master's data with a clock of its own and workers that a test makes up: no process, no waiting.

import type { RecycleReason } from '../../lib/prefork/options.js';
import { type Action, next } from '../../lib/prefork/state/next.js';
import * as event from '../../lib/prefork/state/state.js';
import type { SignalName } from '../../lib/system/signal-numbers.js';

export const rules: event.Rules = {
  seats: 3,
  replace: true,
  minUptime: 1000,
  delay: 100,
  maxDelay: 1600,
  attempts: Number.POSITIVE_INFINITY,
  readyTimeout: 30_000,
  stopTimeout: 10_000,
};

/** What has been done, with its time. */
export type Done = { at: number } & (
  | Action
  | { do: 'forked'; pid: number; seat: number; fresh: event.Fresh | undefined; generation: number }
);

type Told = Action & { do: 'tell' };

export class World {
  now = 0;
  state: event.State;
  readonly done: Done[] = [];
  /** Whether a fork succeeds; an error if not. */
  forkFails: (fresh: event.Fresh | undefined) => Error | undefined = () => undefined;
  #wakeAt = Number.POSITIVE_INFINITY;
  #pid = 100;

  constructor(given: Partial<event.Rules> = {}) {
    this.state = event.initial({ ...rules, ...given });
    this.turn();
  }

  /** Applies an event, and the actions of the master. */
  apply(happened: (state: event.State, now: number) => event.State): void {
    this.state = happened(this.state, this.now);
    this.turn();
  }

  turn(): void {
    for (;;) {
      const { state, actions, wakeAt } = next(this.state, this.now);
      this.state = state;
      this.#wakeAt = wakeAt;
      for (const action of actions)
        if (action.do !== 'fork') this.done.push({ at: this.now, ...action });
      const fork = actions.find((action) => action.do === 'fork');
      if (fork === undefined) return;
      this.#fork(fork);
    }
  }

  #fork({ seat, fresh }: { seat: number; fresh: event.Fresh | undefined }): void {
    const error = this.forkFails(fresh);
    if (error !== undefined) {
      this.done.push({ at: this.now, do: 'fork', seat, fresh });
      this.state = event.forkFailed(this.state, this.now, fresh, error);
      return;
    }
    const pid = this.#pid++;
    const { generation } = this.state;
    this.done.push({ at: this.now, do: 'forked', pid, seat, fresh, generation });
    this.state = event.forked(this.state, this.now, { pid, seat, fresh });
  }

  /** Lets time pass, and the master wake whenever it wanted to. */
  pass(milliseconds: number): void {
    const end = this.now + milliseconds;
    while (this.#wakeAt <= end) {
      this.now = this.#wakeAt;
      this.turn();
    }
    this.now = end;
    this.turn();
  }

  ready(...pids: number[]): void {
    for (const pid of pids) this.apply((state, now) => event.becameReady(state, now, pid));
  }

  dies(...pids: number[]): void {
    for (const pid of pids) this.apply((state, now) => event.ended(state, now, pid));
  }

  leaves(pid: number): void {
    this.apply((state, now) => event.leaves(state, now, pid));
  }

  hangs(pid: number, signal: SignalName = 'SIGKILL'): void {
    this.apply((state, now) => event.hangs(state, now, { pid, signal }));
  }

  recycle(pid: number, reason: RecycleReason = 'maxAge'): void {
    this.apply((state) => event.replacementAsked(state, pid, reason));
  }

  scale(count: number): void {
    this.apply((state) => event.scaleAsked(state, count));
  }

  /** A reload whose hook has done its work. */
  reload(surge = Number.POSITIVE_INFINITY): void {
    this.apply((state, now) => event.reloadAsked(state, now, surge));
    this.apply((state, now) => event.hookSettled(state, now));
  }

  stop(): void {
    this.apply((state) => event.stopAsked(state));
  }

  get pids(): number[] {
    return this.state.workers.map(({ pid }) => pid);
  }

  /** Those that must stay. */
  get staying(): number[] {
    return this.state.workers.filter(({ leaving }) => !leaving).map(({ pid }) => pid);
  }

  of(what: Done['do']): Done[] {
    return this.done.filter((one) => one.do === what);
  }

  /** Pids that were asked, or killed. */
  sent(what: 'ask' | 'kill'): number[] {
    return this.done.flatMap((one) => (one.do === what ? one.pid : []));
  }

  told(what: Told['what']): (string | undefined)[] {
    const all = this.done.filter((one) => one.do === 'tell').filter((one) => one.what === what);
    return all.map(({ error }) =>
      error === undefined ? 'well' : (error as { code?: string }).code,
    );
  }

  /** When forks were made. */
  get forkTimes(): number[] {
    return this.of('forked').map(({ at }) => at);
  }
}

/** One whose workers are all ready, long ago. */
export function settled(given: Partial<event.Rules> = {}): World {
  const world = new World(given);
  world.ready(...world.pids);
  world.pass(60_000);
  world.done.length = 0;
  return world;
}
