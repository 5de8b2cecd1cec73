// The application that bench/prefork.ts measures: it loads data, and serves them by prefork() or node:cluster.
import cluster from 'node:cluster';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { prefork } from 'daemonkit';

export const WAYS = ['prefork', 'cluster'] as const;
export type Way = (typeof WAYS)[number];

export interface Settings {
  workers: number;
  /** MB of data. */
  mb: number;
  readOnly: boolean;
  warmup: boolean;
  rounds: number;
  seconds: number;
  /** A number of requests instead of seconds, for a busy machine. */
  requests: number | undefined;
}

/** Objects like those of a catalogue, on the heap: not buffers, which every way could share. */
function load(mb: number) {
  const items = Array.from({ length: 4200 * mb }, (_, i) => {
    const name = `item ${i} of the catalogue`;
    const item = { name, price: i / 100, tags: [`tag ${i % 1000}`, `kind ${i}`] };
    return [name, item] as const;
  });
  return new Map(items);
}

type Data = ReturnType<typeof load>;

/** Adds up all of the data. */
function readAll(data: Data): number {
  let sum = 0;
  for (let i = 0; i < 3; i++) {
    for (const [key, { name, price, tags }] of data) {
      const words = [key, name, ...tags].map((word) => word.indexOf('9'));
      sum += words.reduce((a, b) => a + b, price);
    }
  }
  return sum;
}

function serving(data: Data) {
  let served = 0;
  return createServer((request, response) => {
    if (request.url === '/served') {
      response.setHeader('connection', 'close').end(JSON.stringify([process.pid, served]));
      return;
    }
    served++;
    const key = `item ${(served * 7919) % data.size} of the catalogue`;
    response.end(JSON.stringify(data.get(key)));
  });
}

const say = (value: object) => console.log(JSON.stringify(value));

/** The application, in a separate process; an argument selects the way. */
export async function application(
  way: Way,
  { workers, mb, readOnly, warmup }: Settings,
): Promise<void> {
  if (way === 'cluster' && cluster.isWorker) {
    const data = load(mb);
    if (readOnly) readAll(data);
    serving(data).listen(0, '127.0.0.1');
    return;
  }
  if (way === 'prefork') {
    const data = load(mb);
    const server = serving(data);
    const start = performance.now();
    const listen = { port: 0, host: '127.0.0.1' };
    const master = prefork({
      server,
      listen,
      workers,
      stopTimeout: 2000,
      warmup,
      onWorkerStart: () => readOnly && readAll(data),
    });
    await master.ready;
    const now = performance.now();
    say({ port: master.port, pids: master.pids, ready: now - start, started: now });
    return;
  }
  const start = performance.now();
  const forked = Array.from({ length: workers }, () => cluster.fork());
  const addresses = await Promise.all(forked.map((worker) => once(worker, 'listening')));
  const [[{ port } = { port: 0 }] = []] = addresses as AddressInfo[][];
  const pids = forked.map((worker) => worker.process.pid);
  const now = performance.now();
  say({ port, pids, ready: now - start, started: now });
}
