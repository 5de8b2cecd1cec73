// What a worker says of itself over its line, as the text of a record.

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
}

const WORD = 'beat';

export function recordOf(report: Report): string {
  const { requests, requestsUnderWay, connections, eventLoopDelay, inspected } = report;
  return [WORD, requests, requestsUnderWay, connections, eventLoopDelay, Number(inspected)].join(
    ' ',
  );
}

/** Undefined for what is none: a worker that drops its privileges is nobody to be believed blindly. */
export function reportIn(record: string): Report | undefined {
  const [word, ...texts] = record.split(' ');
  const figures = texts.map(Number);
  const fit = figures.length === 5 && figures.every((one) => Number.isFinite(one) && one >= 0);
  if (word !== WORD || !fit) return undefined;
  const [requests, requestsUnderWay, connections, eventLoopDelay, inspected] = figures as Five;
  return { requests, requestsUnderWay, connections, eventLoopDelay, inspected: inspected !== 0 };
}

type Five = [number, number, number, number, number];
