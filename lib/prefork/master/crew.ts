// The worker processes of a master: forks them, signals them by pid, and notices their end.
import type { ForkOptions } from '../../fork/fork.js';
import { type WaitEnd, waitpid } from '../../posix/wait.js';
import type { SignalName } from '../../system/signal-numbers.js';
import type { Action } from '../state/next.js';
import { type Born, ForkTurn, forkWithLine } from '../worker/birth.js';
import type { Report, Word } from '../worker/line.js';
import { Member } from './member.js';

export type Fork = Action & { do: 'fork' };

/** A fork that is needed now. */
export interface Birth {
  readonly fork: Fork;
  /** Called in the child, which is that worker, with its end of the line. */
  readonly become: (line: number) => void;
  /** Called in the master after the fork. `pull` reads the worker's line at once. */
  readonly made: (pid: number, pull: () => void) => void;
}

/** The master's functions for the crew; called in any turn of the event loop. */
interface Office {
  /** Returns undefined if no fork is needed any more. */
  wanted: () => Birth | undefined;
  forked: (fork: Fork, pid: number) => void;
  forkFailed: (fork: Fork, error: unknown) => void;
  /** An atFork() hook has thrown this error; the worker exists nevertheless. */
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

  /** Schedules one fork in a separate turn of the event loop, if it is still needed then. */
  ask(): void {
    this.#turn.ask(() => this.#fork());
  }

  kill(pid: number, signal: SignalName): void {
    this.#members.get(pid)?.kill(signal);
  }

  tell(pid: number, word: Word): void {
    this.#members.get(pid)?.say(word);
  }

  /** Sends a word to all workers. */
  say(word: Word): void {
    for (const member of this.#members.values()) member.say(word);
  }

  /** Called in a fork of the master. */
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
