// Holds the state of a master from event to event, and runs the actions that it requires.
import { Alarm, clock, isMissed } from '../../base/alarm.js';
import { type Action, next } from '../state/next.js';
import { type State, stoodStill } from '../state/state.js';

interface Office {
  changed: (before: State, after: State) => void;
  /** Called before the actions that a state requires. */
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

  /** This process is the master, not a fork of it, and it is not stopping. */
  get running(): boolean {
    return !this.#left && this.#state.phase === 'running';
  }

  /** Applies an event and runs the actions that follow. */
  apply(happened: (state: State, now: number) => State): void {
    if (this.#left) return;
    this.note(happened);
    this.take();
  }

  /** Applies an event; the actions follow later. */
  note(happened: (state: State, now: number) => State): void {
    this.#set(happened(this.#state, clock()));
  }

  /** Runs actions until none is left. */
  take(): void {
    // An action may cause an event, so the loop runs once more.
    if (this.#taking || this.#left) return;
    this.#taking = true;
    try {
      while (this.#step().some((action) => action.do !== 'fork'));
    } finally {
      this.#taking = false;
    }
  }

  /** Called in a fork of the master. */
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
