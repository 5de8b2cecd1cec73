// What a master knows, from one event to the next, and that it does what is to be done.
import { Alarm, clock, isMissed } from '../../base/alarm.js';
import { type Action, next } from '../state/next.js';
import { type State, stoodStill } from '../state/state.js';

interface Office {
  changed: (before: State, after: State) => void;
  /** Before the actions that this state asks for. */
  see: (state: State) => void;
  act: (action: Action) => void;
}

export class Turns {
  readonly #office: Office;
  readonly #alarm = new Alarm(() => this.take());
  #state: State;
  #taking = false;
  #due = Number.POSITIVE_INFINITY;
  #left = false;

  constructor(state: State, office: Office) {
    this.#state = state;
    this.#office = office;
  }

  get state(): State {
    return this.#state;
  }

  /** This process is the master, no copy of it, and nobody has it stop. */
  get running(): boolean {
    return !this.#left && this.#state.phase === 'running';
  }

  /** Something has happened. */
  apply(happened: (state: State, now: number) => State): void {
    if (this.#left) return;
    this.note(happened);
    this.take();
  }

  /** The same, and what is to be done about it comes later. */
  note(happened: (state: State, now: number) => State): void {
    this.#set(happened(this.#state, clock()));
  }

  /** Does what is to be done, until nothing is. */
  take(): void {
    // What is done may be an event: the loop goes round once more.
    if (this.#taking || this.#left) return;
    this.#taking = true;
    try {
      while (this.#step().some((action) => action.do !== 'fork'));
    } finally {
      this.#taking = false;
    }
  }

  /** In a copy of the master. */
  leave(): void {
    this.#left = true;
    this.#alarm.clear();
  }

  #step(): readonly Action[] {
    const now = clock();
    if (isMissed(this.#due, now)) this.note(stoodStill);
    const { state, actions, wakeAt } = next(this.#state, now);
    this.#due = wakeAt;
    this.#set(state);
    this.#office.see(state);
    for (const action of actions) this.#office.act(action);
    this.#alarm.set(wakeAt);
    return actions;
  }

  #set(state: State): void {
    const before = this.#state;
    this.#state = state;
    if (state !== before) this.#office.changed(before, state);
  }
}
