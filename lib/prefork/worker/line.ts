// The line between master and worker: the worker's messages, and the end of either process.
import { constants } from 'node:os';
import { systemError } from '../../base/errors.js';
import { RecordLine } from '../../system/record-line.js';
import type { Memory } from '../../system/usage.js';

/**
 * The text of a record. From the worker: `ready`; `leaving`, it ends on its own. From the master:
 * `settled`, the upgrade is complete and standard error must change to its file; `weigh`, the
 * worker must report its memory, which the master may not read.
 */
export type Word = 'ready' | 'leaving' | 'settled' | 'weigh';

/** A worker's own figures. */
export interface Report {
  /** The requests of its servers since its fork. */
  requests: number;
  requestsUnderWay: number;
  connections: number;
  /** How late a timer of the worker was since the previous report, in milliseconds. */
  eventLoopDelay: number;
  /** Whether its inspector is open, so that a debugger may pause it. */
  inspected: boolean;
  /** Present if requested. */
  memory?: Memory | undefined;
}

const BEAT = 'beat';

export function recordOf(report: Report): string {
  const { requests, requestsUnderWay, connections, eventLoopDelay, inspected, memory } = report;
  const weight = memory === undefined ? [] : [memory.privateBytes, memory.pss];
  const figures = [requests, requestsUnderWay, connections, eventLoopDelay, Number(inspected)];
  return [BEAT, ...figures, ...weight].join(' ');
}

/**
 * Undefined for anything else: the master must not trust a worker that has dropped its privileges.
 */
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

/** The longest record, in bytes. The rest of a longer one is not read. */
const LONGEST = 128;

/** An end of the line, on the event loop. Closing it closes the descriptor. */
export class Line {
  readonly #records: RecordLine;

  /** @param ref - whether it keeps the process alive. */
  constructor(fd: number, hear: (word: string) => void, onEnd: () => void, ref: boolean) {
    this.#records = new RecordLine(fd, hear, onEnd, ref, LONGEST);
  }

  /** Reads the available records. */
  pull(): void {
    this.#records.pull();
  }

  /**
   * Sends a word to the other side. The end of the line reports that the other side has ended
   * (EPIPE).
   */
  say(word: Word): void {
    const sent = this.#records.send(word);
    if (sent < 0 && sent !== -constants.errno.EPIPE) throw systemError(sent, 'send');
  }

  /**
   * Sends a periodic report. It is dropped if the master has not read the previous one, because the
   * next report contains more. So there is room for a word even if the master is stopped for a day.
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
