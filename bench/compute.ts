// An aggregate over 200 MB of objects (orders, summed by customer) beside a busy event loop. The ways: runInFork() and
// mapInForks(); worker_threads that get the objects by structuredClone(), or columns of them in a SharedArrayBuffer (filled
// again each time, because the program works with the objects); child_process.fork() with `serialization: 'advanced'`; Piscina
// (npm); and the main thread. Workers and children of the other ways exist beforehand. Each way runs in a separate program,
// once before it is measured. "Stands still" is the longest standstill of the parent's event loop. "More memory" is the peak of
// the proportional set sizes of all processes, less the parent's own before. Run by `npm run bench -- compute`; prints a
// table and a line of JSON, with --json only the latter.
import { fork as forkModule, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { mapInForks, runInFork } from 'daemonkit';
import { median, memory, printTable } from './tools.js';

const MEGABYTES = 200;
const ROUNDS = 3;
const CUSTOMERS = 1000;
const PISCINA = '5';

interface Order {
  id: number;
  customer: number;
  amount: number;
  item: string;
}

type Sums = Map<number, number>;
/** The result, and the processor time of the other process, in milliseconds. */
type Way = () => Promise<[sums: Sums, cpu: number]>;

function aggregate(orders: readonly Order[], sums: Sums = new Map()): Sums {
  for (const { customer, amount } of orders) sums.set(customer, (sums.get(customer) ?? 0) + amount);
  return sums;
}

function columnsOf(orders: readonly Order[]): Float64Array {
  const columns = new Float64Array(new SharedArrayBuffer(16 * orders.length));
  orders.forEach(({ customer, amount }, i) => {
    columns[2 * i] = customer;
    columns[2 * i + 1] = amount;
  });
  return columns;
}

const inMs = ({ user, system }: NodeJS.CpuUsage) => (user + system) / 1000;

const AGGREGATE = `
const sum = (sums, customer, amount) => sums.set(customer, (sums.get(customer) ?? 0) + amount);
const aggregate = (data) => {
  const sums = new Map();
  if (ArrayBuffer.isView(data)) for (let i = 0; i < data.length; i += 2) sum(sums, data[i], data[i + 1]);
  else for (const { customer, amount } of data) sum(sums, customer, amount);
  return sums;
};`;

const THREAD = `const { parentPort } = require('node:worker_threads');
${AGGREGATE}
parentPort.on('message', (data) => parentPort.postMessage(aggregate(data)));`;

const CHILD = `${AGGREGATE}
let before = process.cpuUsage();
process.on('message', (data) => {
  process.send([aggregate(data), process.cpuUsage(before)]);
  before = process.cpuUsage();
});`;

/** Measures all processes of a tree, from outside. */
const WATCHER = `const fs = require('node:fs');
const read = (path) => { try { return fs.readFileSync(path, 'utf8'); } catch { return ''; } };
const root = process.argv[1];
const all = (pid) => [pid, ...read('/proc/' + pid + '/task/' + pid + '/children').trim().split(' ').filter(Boolean).flatMap(all)];
const pss = (pid) => Number(/^Pss:\\s*(\\d+)/m.exec(read('/proc/' + pid + '/smaps_rollup'))?.[1] ?? 0) / 1024;
let most = 0;
setInterval(() => {
  const pids = all(root).filter((pid) => pid !== String(process.pid));
  most = Math.max(most, pids.reduce((sum, pid) => sum + pss(pid), 0));
}, 10);
process.stdin.on('end', () => { console.log(most); process.exit(); }).resume();
console.log('watching');`;

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

function fill(): Order[] {
  const orders: Order[] = [];
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; process.memoryUsage().heapUsed - before < MEGABYTES * 2 ** 20; ) {
    for (const end = i + 10_000; i < end; i++) {
      orders.push({
        id: i,
        customer: i % CUSTOMERS,
        amount: i / 7,
        item: `item ${i % 5000} of ${i}`,
      });
    }
  }
  return orders;
}

/** A way, prepared for these orders, and a function that ends its helpers. */
type Prepare = (orders: Order[], folder: string) => [way: Way, end: () => unknown];

const alone =
  (way: (orders: Order[]) => ReturnType<Way>): Prepare =>
  (orders) => [() => way(orders), () => {}];

const byThread =
  (dataOf: (orders: Order[]) => unknown): Prepare =>
  (orders) => {
    const thread = new Worker(THREAD, { eval: true });
    const way: Way = async () => {
      thread.postMessage(dataOf(orders));
      const [sums] = await once(thread, 'message');
      return [sums, 0];
    };
    return [way, () => thread.terminate()];
  };

const byChild: Prepare = (orders, folder) => {
  const file = join(folder, 'child.cjs');
  writeFileSync(file, CHILD);
  const child = forkModule(file, { serialization: 'advanced' });
  const way: Way = async () => {
    child.send(orders);
    const [[sums, cpu]] = await once(child, 'message');
    return [sums, inMs(cpu)];
  };
  return [way, () => child.kill()];
};

const fetcher = new URL('../../prebuilds/make/fetch.mjs', import.meta.url).href;

async function piscinaFolder(): Promise<string> {
  const { cacheFolder, fetchOnce, npm } = await import(fetcher);
  const install = (fresh: string) =>
    npm(...['install', '--no-save', '--ignore-scripts', '--prefix', fresh], `piscina@${PISCINA}`);
  const place = join(cacheFolder('bench'), `piscina-${PISCINA}`);
  return fetchOnce(place, 'node_modules/piscina/package.json', install);
}

const place = await piscinaFolder();

const byPiscina: Prepare = (orders, folder) => {
  const { Piscina } = createRequire(join(place, 'x.js'))('piscina');
  const filename = join(folder, 'task.cjs');
  writeFileSync(filename, `${AGGREGATE}\nmodule.exports = aggregate;`);
  const pool = new Piscina({ filename, minThreads: 1, maxThreads: 1 });
  return [async () => [await pool.run(orders), 0], () => pool.destroy()];
};

const work = (orders: Order[]): [Sums, number] => [aggregate(orders), inMs(process.cpuUsage())];

const byTwo: Prepare = (orders) => {
  const middle = orders.length / 2;
  const halves = [orders.slice(0, middle), orders.slice(middle)];
  const way: Way = async () => {
    const sums: Sums = new Map();
    let cpu = 0;
    for await (const [part, used] of mapInForks(halves, work)) {
      for (const [customer, sum] of part) sums.set(customer, (sums.get(customer) ?? 0) + sum);
      cpu += used;
    }
    return [sums, cpu];
  };
  return [way, () => {}];
};

const WAYS: Record<string, Prepare> = {
  'runInFork()': alone((orders) => runInFork(() => work(orders))),
  'mapInForks(), two children': byTwo,
  'worker_threads, structuredClone': byThread((orders) => orders),
  'worker_threads, SharedArrayBuffer': byThread(columnsOf),
  'child_process.fork(), advanced': byChild,
  'Piscina, structuredClone': byPiscina,
  'on the main thread': alone(async (orders) => [aggregate(orders), 0]),
};

interface Cost {
  wall: number;
  cpu: number;
  still: number;
}

async function costOf(way: Way): Promise<Cost> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await sleep(20);
  delay.reset();
  // The first tick after that is where it counts from.
  await sleep(20);
  const before = process.cpuUsage();
  const start = performance.now();
  const [sums, cpu] = await way();
  const wall = performance.now() - start;
  const own = inMs(process.cpuUsage(before));
  await sleep(20);
  delay.disable();
  if (sums.size !== CUSTOMERS) throw new Error('the sums are wrong');
  return { wall, cpu: own + cpu, still: delay.max / 1e6 };
}

/** In MB; with a watcher, which uses some time itself. */
async function moreMemory(way: Way): Promise<number> {
  const watcher = spawn(process.execPath, ['-e', WATCHER, `${process.pid}`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(watcher.stdout, 'data');
  const before = memory(process.pid, 'Pss');
  await way();
  const told = once(watcher.stdout, 'data');
  watcher.stdin.end();
  return Number(`${(await told)[0]}`) - before;
}

/** A separate program for one way. */
async function one(name: string, what: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'daemonkit-bench-'));
  const [way, end] = (WAYS[name] as Prepare)(fill(), folder);
  try {
    await way();
    gc();
    await sleep(200);
    console.log(JSON.stringify(await (what === 'cost' ? costOf : moreMemory)(way)));
  } finally {
    await end();
    rmSync(folder, { recursive: true });
  }
}

async function ask<T>(name: string, what: string): Promise<T> {
  const options = ['--max-old-space-size=4096', process.argv[1] as string, '--way', name, what];
  const child = spawn(process.execPath, options, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) text += chunk;
  return JSON.parse(text) as T;
}

async function measure() {
  const names = Object.keys(WAYS);
  const costs: Record<string, Cost[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of names) costs[name]?.push(await ask<Cost>(name, 'cost'));
  }
  const rows = [];
  for (const way of names) {
    const of = (key: keyof Cost) => median((costs[way] ?? []).map((cost) => cost[key]));
    const more = await ask<number>(way, 'memory');
    rows.push({ way, wall: of('wall'), cpu: of('cpu'), still: of('still'), memory: more });
  }
  return rows;
}

function table(rows: Awaited<ReturnType<typeof measure>>): void {
  const [ours] = rows as [(typeof rows)[number]];
  const times = (key: 'wall' | 'cpu' | 'still' | 'memory', of: (typeof rows)[number]) =>
    (of[key] / ours[key]).toFixed(2);
  printTable(
    rows.map((row) => ({
      "times runInFork()'s": row.way,
      'time to the result': times('wall', row),
      "processor's time": times('cpu', row),
      "parent's loop stands still": times('still', row),
      'more memory': times('memory', row),
    })),
  );
}

const [flag, name = '', what = ''] = process.argv.slice(2);
if (flag === '--way') await one(name, what);
else {
  const rows = await measure();
  if (flag !== '--json') table(rows);
  console.log(JSON.stringify({ bench: 'compute', node: process.version, rounds: ROUNDS, rows }));
}
