// The data of a signal flag's handler: records in the self-pipe, counts in memory.

import { native } from '../addon/native.js';
import { check } from '../base/errors.js';
import { signalName } from '../system/signal-numbers.js';
import { publishSignal, type SignalEvent } from './published.js';

const RECORD_WORDS = 6;
/** Beyond this limit records are dropped, so that memory stays bounded. The counts remain. */
const QUEUE_LIMIT = 1024;

// As many records as a pipe of 64 KiB holds, so that one read(2) empties it. A Float64Array has the
// same bytes, because the last two words are a double.
const scratch = new Int32Array(RECORD_WORDS * 2730);
const doubles = new Float64Array(scratch.buffer);

/** The record at an index of `scratch`. */
function eventAt(index: number): SignalEvent {
  const at = index * RECORD_WORDS;
  const word = (offset: number) => scratch[at + offset] as number;
  const number = word(0);
  return {
    signal: signalName(number),
    number,
    pid: word(1),
    uid: word(2) >>> 0,
    count: word(3) >>> 0,
    time: doubles[at / 2 + 2] as number,
  };
}

/** Whether one count is after another. Both wrap at 2^32. */
function isPast(count: number, other: number): boolean {
  return ((count - other) | 0) > 0;
}

/** The events of one flag, in order, from its pipe and, where that was full, from its counts. */
export class SignalRecords {
  readonly #id: number;
  readonly #numbers: readonly number[];
  readonly #view: Int32Array;
  #queue: SignalEvent[] = [];
  /**
   * For each signal, the highest count of an event that was queued or skipped. A higher count is
   * new.
   */
  #told: number[];

  constructor(id: number, numbers: readonly number[], view: Int32Array) {
    this.#id = id;
    this.#numbers = numbers;
    this.#view = view;
    this.#told = numbers.map(() => 0);
  }

  /** How often each signal has arrived. */
  counts(): number[] {
    return this.#numbers.map((_, i) => this.#count(i));
  }

  /** The same by the signals' names. */
  tally(): Record<string, number> {
    return Object.fromEntries(
      this.#numbers.map((number, i) => [signalName(number), this.#count(i)]),
    );
  }

  /** Empties the pipe into the queue. */
  pull(): void {
    let got: number;
    do {
      got = check(native.signalFlagRead(this.#id, scratch), 'read');
      for (let i = 0; i < got && this.#queue.length < QUEUE_LIMIT; i++) {
        const event = eventAt(i);
        publishSignal(event);
        this.#enqueue(event);
      }
    } while (got === scratch.length / RECORD_WORDS);
  }

  /** The next event: queued, in the pipe, or dropped from both and only counted. */
  take(): SignalEvent | undefined {
    if (this.#queue.length === 0) this.pull();
    return this.#queue.shift() ?? this.#takeMissed();
  }

  /** Forgets the events up to these counts, in the pipe too. */
  forget(counts: readonly number[]): void {
    this.#settle();
    const limit = (event: SignalEvent) => counts[this.#numbers.indexOf(event.number)] as number;
    this.#queue = this.#queue.filter((event) => isPast(event.count, limit(event)));
    this.#told = counts.map((count, i) => {
      const told = this.#told[i] as number;
      return isPast(told, count) ? told : count;
    });
  }

  /** The most recent delivery of any of the signals. */
  latest(): SignalEvent {
    const events = this.#numbers.map((_, i) => this.#fromMemory(i));
    // All flags share this memory: another flag may have seen a signal that this one has not.
    const seen = events.filter((event) => event.count !== 0);
    return (seen.length > 0 ? seen : events).reduce((a, b) => (b.time > a.time ? b : a));
  }

  #count(index: number): number {
    return Atomics.load(this.#view, 1 + index) >>> 0;
  }

  /** One event for all dropped ones. */
  #takeMissed(): SignalEvent | undefined {
    const counts = this.counts();
    const isMissed = (told: number, i: number) => isPast(counts[i] as number, told);
    if (!this.#told.some(isMissed)) return undefined;
    this.#settle();
    const event = this.#queue.shift();
    if (event !== undefined) return event;
    const missed = this.#told.findIndex(isMissed);
    if (missed === -1) return undefined;
    const count = counts[missed] as number;
    this.#told[missed] = count;
    return { ...this.#fromMemory(missed), count };
  }

  /** Pulls the records of everything that has been counted: each was either written or dropped. */
  #settle(): void {
    native.signalFlagSettle(this.#id);
    this.pull();
  }

  #fromMemory(index: number): SignalEvent {
    const number = this.#numbers[index] as number;
    native.signalFlagLatest(number, scratch);
    return { ...eventAt(0), signal: signalName(number), number, count: this.#count(index) };
  }

  #enqueue(event: SignalEvent): void {
    const index = this.#numbers.indexOf(event.number);
    // Handlers on two threads may write in another order than they count.
    if (isPast(event.count, this.#told[index] as number)) this.#told[index] = event.count;
    this.#queue.push(event);
  }
}
