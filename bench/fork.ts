// What a copy of the process costs. The peers of fork() are child_process.fork(), cluster.fork() and a Worker of the same Node,
// and the least work with which the kernel copies a process: a raw clone(2) of this very process, and fork(2) of a C program of
// the same size. The columns compare the time from the call to the child's first statement, the time in which the parent stands
// still, and the memory that only the child has. Each way comes after 100 ms of rest, also the raw copies, whose preparation comes
// before the rest. "In a row" is the pause of copies that follow one another, each after a copy of the same kind whose child has
// ended: then caches are warm. The heap in the parent has several sizes; only the copies hand it over.
// A figure is the time, or the memory, of fork() divided by that of the peer: below 1 fork() takes less. Run by
// `npm run bench -- fork`; prints a table and a line of JSON, with --json only the latter.
import { execFileSync, fork as forkModule } from 'node:child_process';
import cluster from 'node:cluster';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { _exit, fork, waitpid } from 'daemonkit';
import { fill, median, printTable, privateMemory } from './tools.js';

const ROUNDS = 15;
const HEAPS = [5, 50, 200, 1000];
const source = (name: string) =>
  fileURLToPath(new URL(`../../bench/native/${name}`, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'daemonkit-bench-'));
const note = join(folder, 'first');
const module = join(folder, 'module.cjs');
const program = join(folder, 'fork');

/** Milliseconds; the monotonic clock is the machine's, so parent and child read the same one. */
interface Cost {
  first: number;
  pause: number;
}
interface Child extends Cost {
  /** The pause of one that follows another; for the copies. */
  inRow?: number;
  /** MB that only the idle child has; not for children that end at once. */
  own?: number;
}

const now = () => Number(process.hrtime.bigint()) / 1e6;
const noted = () => Number(readFileSync(note, 'utf8'));

/** Records the time of its first statement, and stays until it is ended. */
const MODULE = `
require('node:fs').writeFileSync(process.argv[2], '' + Number(process.hrtime.bigint()) / 1e6);
setInterval(() => {}, 1000);`;

/** How long a child is left alone before its memory is read. */
const IDLE = 100;

async function live(): Promise<Child> {
  const start = now();
  const pid = fork();
  const back = now();
  if (pid === 0) {
    writeFileSync(note, `${back}`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    _exit(0);
  }
  await sleep(IDLE);
  const own = privateMemory(pid);
  process.kill(pid, 'SIGKILL');
  waitpid(pid);
  const first = noted() - start;
  return { first, pause: back - start, own, inRow: second(liveAtOnce) };
}

/** A child process that loads the module. */
async function loaded(make: () => ReturnType<typeof forkModule>): Promise<Child> {
  writeFileSync(note, '');
  const start = now();
  const child = make();
  const back = now();
  const exited = once(child, 'exit');
  while (readFileSync(note, 'utf8') === '') await sleep(2);
  await sleep(IDLE);
  const own = privateMemory(child.pid as number);
  child.kill('SIGKILL');
  await exited;
  return { first: noted() - start, pause: back - start, own };
}

async function worker(): Promise<Child> {
  writeFileSync(note, '');
  const before = privateMemory(process.pid);
  const start = now();
  const thread = new Worker(module, { argv: [note] });
  const back = now();
  while (readFileSync(note, 'utf8') === '') await sleep(2);
  await sleep(IDLE);
  const own = privateMemory(process.pid) - before;
  await thread.terminate();
  return { first: noted() - start, pause: back - start, own };
}

/** `rest`: milliseconds between the preparation and the copy. */
type Clone = (all: boolean, rest: number) => [first: number, pause: number];
const clone: Clone = createRequire(import.meta.url)(source('build/Release/bench_clone.node')).clone;

const inMs = ([first = 0, pause = 0]: readonly number[]): Cost => {
  return { first: first / 1e6, pause: pause / 1e6 };
};

function forkOfC(): Child {
  const megabytes = Math.round(process.memoryUsage().rss / 2 ** 20);
  const text = execFileSync(program, [`${megabytes}`, `${IDLE}`], { encoding: 'utf8' });
  const [first = 0, pause = 0, inRow = 0] = text.split(' ').map(Number);
  return { ...inMs([first, pause]), inRow: inRow / 1e6 };
}

/** The second of two in a row. */
function second(copy: () => number): number {
  copy();
  return copy();
}

function liveAtOnce(): number {
  const start = now();
  const pid = fork();
  if (pid === 0) _exit(0);
  const pause = now() - start;
  waitpid(pid);
  return pause;
}

function raw(all: boolean): Child {
  const cost = inMs(clone(all, IDLE));
  return { ...cost, inRow: second(() => inMs(clone(all, 0)).pause) };
}

const WAYS: Record<string, () => Child | Promise<Child>> = {
  'fork()': live,
  'child_process.fork()': () => loaded(() => forkModule(module, [note])),
  'cluster.fork()': () => loaded(() => cluster.fork().process),
  'new Worker()': worker,
  'raw clone(2), same process': () => raw(true),
  'raw clone(2), without the V8 heap': () => raw(false),
  'fork(2), C program as large': forkOfC,
};

function middle(of: Child[]): Child {
  const at = (key: keyof Child) => median(of.map((child) => child[key] ?? Number.NaN));
  const has = (key: keyof Child) => of[0]?.[key] !== undefined;
  return {
    first: at('first'),
    pause: at('pause'),
    ...(has('inRow') && { inRow: at('inRow') }),
    ...(has('own') && { own: at('own') }),
  };
}

/**
 * All ways in turn, so that other load on the machine affects each; and each after the same pause.
 */
async function rounds(): Promise<Record<string, Child>> {
  const results = Object.entries(WAYS).map(([name, way]) => ({ name, way, of: [] as Child[] }));
  for (let i = 0; i < ROUNDS; i++) {
    for (const { way, of } of results) {
      await sleep(IDLE);
      of.push(await way());
    }
  }
  return Object.fromEntries(results.map(({ name, of }) => [name, middle(of)]));
}

async function measure() {
  const heap: object[][] = [];
  const rows = [];
  for (const megabytes of HEAPS) {
    fill(megabytes, heap);
    await sleep(200);
    const rss = Math.round(process.memoryUsage().rss / 2 ** 20);
    rows.push({ heap: megabytes, rss, ways: await rounds() });
  }
  return rows;
}

/** How many times as long as one way fork() takes; below 1 it is faster. */
function table(row: Awaited<ReturnType<typeof measure>>[number]) {
  const ours = row.ways['fork()'] as Child;
  return Object.entries(row.ways).map(([way, { first, pause, inRow, own }]) => ({
    'heap, MB': row.heap,
    'RSS, MB': row.rss,
    way,
    'first statement: fork() to it': (ours.first / first).toFixed(2),
    'pause: fork() to it': (ours.pause / pause).toFixed(2),
    'pause in a row: fork() to it':
      inRow === undefined ? '' : ((ours.inRow ?? 0) / inRow).toFixed(2),
    'own memory: fork() to it': own === undefined ? '' : ((ours.own ?? 0) / own).toFixed(2),
  }));
}

writeFileSync(module, MODULE);
cluster.setupPrimary({ exec: module, args: [note] });
execFileSync('cc', ['-O2', '-o', program, source('fork.c')]);
setFlagsFromString('--max-old-space-size=4096');
try {
  const rows = await measure();
  if (!process.argv.includes('--json')) printTable(rows.flatMap(table));
  console.log(JSON.stringify({ bench: 'fork', node: process.version, rounds: ROUNDS, rows }));
} finally {
  rmSync(folder, { recursive: true });
}
