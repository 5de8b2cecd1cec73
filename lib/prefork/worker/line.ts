// The line between the master and a worker: what the worker says of itself, and the line's end.
import { constants } from 'node:os';
import { systemError } from '../../base/errors.js';
import { RecordLine } from '../../system/record-line.js';
import type { Memory } from '../../system/usage.js';

/**
 * A record's text. Of the worker: it is ready; it ends by its own will. Of the master: it has taken another
 * one's place, and standard error is what it shall be; it cannot see how much memory the worker has.
 */
export type Word = 'ready' | 'leaving' | 'settled' | 'weigh';

/** A worker's own figures. */
export interface Report {
  /** Since its fork, of the servers that it was told to serve. */
  requests: number;
  requestsUnderWay: number;
  connections: number;
  /** How late a timer of the worker has come since the report before, in milliseconds. */
  eventLoopDelay: number;
  /** A debugger may hold the worker up: its inspector is open. */
  inspected: boolean;
  /** If it was asked for. */
  memory?: Memory | undefined;
}

const BEAT = 'beat';

export function recordOf(report: Report): string {
  const { requests, requestsUnderWay, connections, eventLoopDelay, inspected, memory } = report;
  const weight = memory === undefined ? [] : [memory.privateBytes, memory.pss];
  const figures = [requests, requestsUnderWay, connections, eventLoopDelay, Number(inspected)];
  return [BEAT, ...figures, ...weight].join(' ');
}

/** Undefined for what is none: a worker that drops its privileges is nobody to be believed blindly. */
export function reportIn(record: string): Report | undefined {
  const [word, ...texts] = record.split(' ');
  const figures = texts.map(Number);
  const known = figures.length === 5 || figures.length === 7;
  const fit = known && figures.every((one) => Number.isFinite(one) && one >= 0);
  if (word !== BEAT || !fit) return undefined;
  const [requests, requestsUnderWay, connections, eventLoopDelay, inspected] = figures as Five;
  const [privateBytes, pss] = figures.slice(5);
  const report = { requests, requestsUnderWay, connections, eventLoopDelay };
  const weighed =
    pss === undefined ? {} : { memory: { privateBytes: privateBytes as number, pss } };
  return { ...report, inspected: inspected !== 0, ...weighed };
}

type Five = [number, number, number, number, number];

/** The bytes of a record: no more is read of one that a worker makes longer. */
const LONGEST = 128;

/** An end of the line, on the event loop. Closing it closes the descriptor. */
export class Line {
  readonly #records: RecordLine;

  /** @param ref - whether it keeps the process alive. */
  constructor(fd: number, hear: (word: string) => void, onEnd: () => void, ref: boolean) {
    this.#records = new RecordLine(fd, hear, onEnd, ref, LONGEST);
  }

  /** Hears what is there by now. */
  pull(): void {
    this.#records.pull();
  }

  /** A word to the other side. A master that is gone (EPIPE) is told by the line's end, not here. */
  say(word: Word): void {
    const sent = this.#records.send(word);
    if (sent < 0 && sent !== -constants.errno.EPIPE) throw systemError(sent, 'send');
  }

  /**
   * What the worker reports from time to time: dropped, as the next one says more, if the master has not
   * read the one before. A master that stands still for a day shall find room for a word.
   *
   * @returns whether it was sent.
   */
  report(record: string): boolean {
    return this.#records.sayIfRead(record);
  }

  close(): void {
    this.#records.close();
  }
}
