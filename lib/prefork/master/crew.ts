// The worker processes of a master: forks them, reaches them by their pids, and hears when they end.
import type { ForkOptions } from '../../fork/fork.js';
import { type WaitEnd, waitpid } from '../../posix/wait.js';
import type { SignalName } from '../../system/signal-numbers.js';
import type { Action } from '../state/next.js';
import { type Born, ForkTurn, forkWithLine } from '../worker/birth.js';
import type { Report, Word } from '../worker/line.js';
import { Member } from './member.js';

export type Fork = Action & { do: 'fork' };

/** A fork that is wanted now. */
export interface Birth {
  readonly fork: Fork;
  /** In the child: it is that worker, whose end of the line this is. */
  readonly become: (line: number) => void;
  /** In the master: it has been made. `pull` has its line heard at once. */
  readonly made: (pid: number, pull: () => void) => void;
}

/** What the master has to do with it; called in whatever turn of the event loop. */
interface Office {
  /** Nothing if what was wanted is not wanted any more. */
  wanted: () => Birth | undefined;
  forked: (fork: Fork, pid: number) => void;
  forkFailed: (fork: Fork, error: unknown) => void;
  /** An atFork() hook has thrown this; there is a worker nevertheless. */
  hookFailed: (error: Error) => void;
  ready: (pid: number) => void;
  reports: (pid: number, report: Report) => void;
  leaving: (pid: number) => void;
  ended: (pid: number, result: WaitEnd | undefined) => void;
}

export class Crew {
  readonly #options: ForkOptions;
  readonly #office: Office;
  readonly #turn = new ForkTurn();
  readonly #members = new Map<number, Member>();

  constructor(options: ForkOptions, office: Office) {
    this.#options = options;
    this.#office = office;
  }

  get pids(): number[] {
    return [...this.#members.keys()];
  }

  /** Has one fork come in a turn of the event loop of its own, if it is wanted then. */
  ask(): void {
    this.#turn.ask(() => this.#fork());
  }

  kill(pid: number, signal: SignalName): void {
    this.#members.get(pid)?.kill(signal);
  }

  tell(pid: number, word: Word): void {
    this.#members.get(pid)?.say(word);
  }

  /** To all there are. */
  say(word: Word): void {
    for (const member of this.#members.values()) member.say(word);
  }

  /** In a copy of the master. */
  leave(): void {
    this.#turn.leave();
    for (const member of this.#members.values()) member.forget();
    this.#members.clear();
  }

  #fork(): void {
    const birth = this.#office.wanted();
    if (birth === undefined) return;
    let born: Born;
    try {
      born = forkWithLine(this.#options);
    } catch (error) {
      this.#office.forkFailed(birth.fork, error);
      return;
    }
    if (born.pid === 0) birth.become(born.line);
    else this.#enlist(birth, born);
  }

  #enlist({ fork, made }: Birth, { pid, line, error }: Born): void {
    const office = this.#office;
    if (error !== undefined) office.hookFailed(error);
    try {
      const told = {
        ready: () => office.ready(pid),
        leaving: () => office.leaving(pid),
        reports: (report: Report) => office.reports(pid, report),
        ended: (result?: WaitEnd) => {
          this.#members.delete(pid);
          office.ended(pid, result);
        },
      };
      const member = new Member(pid, line, told);
      this.#members.set(pid, member);
      made(pid, () => member.pull());
    } catch (failure) {
      process.kill(pid, 'SIGKILL');
      waitpid(pid);
      office.forkFailed(fork, failure);
      return;
    }
    office.forked(fork, pid);
  }
}
