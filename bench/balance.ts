// How evenly connections are spread: 64 kept-alive connections over four workers, by prefork() with one socket or
// with one for each seat, and by node:cluster. The first two columns divide the busiest worker's requests by those of the
// idlest one, in the median and in the worst round. The others compare requests per second, and the processor time of the
// workers per request. Run by `node dist/bench/balance.js [--workers 4] [--rounds 10]
// [--seconds 2]`; prints a table and a line of JSON.
import { spawn } from 'node:child_process';
import cluster from 'node:cluster';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { prefork } from 'daemonkit';
import { median, printTable } from './tools.js';

const WAYS = ['shared', 'reuseport', 'cluster'] as const;
/** For the compiler. */
const WARM_UP_SECONDS = 1;
type Way = (typeof WAYS)[number];

/** Requests that the worker has served; SIGUSR2 prints the number. */
let served = 0;

function serving() {
  return createServer((_, response) => {
    served++;
    response.end('hello');
  });
}

const tell = () => console.log(JSON.stringify({ served }));

/** The application, in a separate process; an argument selects the way. */
async function application(way: Way, workers: number): Promise<void> {
  process.on('SIGUSR2', () => {});
  if (way === 'cluster') {
    if (cluster.isWorker) {
      process.on('SIGUSR2', tell);
      serving().listen(0, '127.0.0.1');
      return;
    }
    const forked = Array.from({ length: workers }, () => cluster.fork());
    const addresses = await Promise.all(forked.map((worker) => once(worker, 'listening')));
    const [[{ port } = { port: 0 }] = []] = addresses as AddressInfo[][];
    console.log(JSON.stringify({ port, pids: forked.map((worker) => worker.process.pid) }));
    return;
  }
  const master = prefork({
    server: serving(),
    balance: way,
    listen: { port: 0, host: '127.0.0.1' },
    workers,
    stopTimeout: 2000,
    onWorkerStart: () => void process.on('SIGUSR2', tell),
  });
  await master.ready;
  console.log(JSON.stringify({ port: master.port, pids: master.pids }));
}

/** Microseconds of CPU that processes have used; the kernel counts in hundredths of a second. */
function cpu(pids: number[]): number {
  const ticks = (pid: number) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').pop()?.split(' ') ?? [];
    return Number(fields[11]) + Number(fields[12]);
  };
  return pids.reduce((sum, pid) => sum + ticks(pid) * 10_000, 0);
}

async function fire(port: number, seconds: number): Promise<number> {
  const program = createRequire(import.meta.url).resolve('autocannon');
  const url = `http://127.0.0.1:${port}/`;
  const args = [program, '--json', '--connections', '64', '--duration', `${seconds}`, url];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) text += chunk;
  return JSON.parse(text).requests.average;
}

async function measure(way: Way, workers: number, seconds: number) {
  const args = [fileURLToPath(import.meta.url), '--application', way, '--workers', `${workers}`];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const line = async () => JSON.parse((await lines.next()).value as string);
  try {
    const { port, pids } = await line();
    const counts = async () => {
      const told: number[] = [];
      for (const pid of pids as number[]) {
        process.kill(pid, 'SIGUSR2');
        told.push((await line()).served);
      }
      return told;
    };
    await fire(port, WARM_UP_SECONDS);
    const [earlier, before] = [await counts(), cpu(pids)];
    const requests = await fire(port, seconds);
    const cost = (cpu(pids) - before) / (requests * seconds);
    const shares = (await counts()).map((count, i) => count - (earlier[i] ?? 0));
    return { requests, cost, spread: Math.max(...shares) / Math.max(1, Math.min(...shares)) };
  } finally {
    child.kill('SIGTERM');
    await exited;
  }
}

async function main(workers: number, rounds: number, seconds: number) {
  const of: Record<Way, { requests: number; cost: number; spread: number }[]> = {
    shared: [],
    reuseport: [],
    cluster: [],
  };
  // They take turns, so that other load on the machine affects all of them.
  for (let i = 0; i < rounds; i++) {
    for (const way of WAYS) of[way].push(await measure(way, workers, seconds));
  }
  const two = (value: number) => Number(value.toFixed(2));
  const theirs = median(of.cluster.map(({ requests }) => requests));
  const theirCost = median(of.cluster.map(({ cost }) => cost));
  const results = WAYS.map((way) => {
    const spreads = of[way].map(({ spread }) => spread);
    return {
      way,
      'busiest to idlest, median': two(median(spreads)),
      worst: two(Math.max(...spreads)),
      "requests, of cluster's": two(median(of[way].map(({ requests }) => requests)) / theirs),
      "CPU per request, of cluster's": two(median(of[way].map(({ cost }) => cost)) / theirCost),
    };
  });
  printTable(results);
  console.log(JSON.stringify({ node: process.version, workers, rounds, seconds, results }));
}

const { values } = parseArgs({
  options: {
    application: { type: 'string' },
    workers: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '2' },
  },
});
const workers = Number(values.workers);
if (values.application !== undefined) await application(values.application as Way, workers);
else await main(workers, Number(values.rounds), Number(values.seconds));
