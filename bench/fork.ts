// What fork() costs, against child_process.fork() of the same Node: from the call to the child's first
// JavaScript statement, and how long the parent stands still meanwhile; with heaps of several sizes in
// the parent, which child_process.fork() does not hand over. Run by `node dist/bench/fork.js`; prints a
// table and a line of JSON, with --json only the latter.
import { fork as forkModule } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { _exit, fork, waitpid } from 'daemonkit';

const ROUNDS = 15;
const HEAPS = [5, 50, 200, 1000];
const folder = mkdtempSync(join(tmpdir(), 'daemonkit-bench-'));
const note = join(folder, 'first');
const module = join(folder, 'module.cjs');

// The monotonic clock is the machine's: parent and child read the same one.
const now = () => Number(process.hrtime.bigint()) / 1e6;
const median = (values: number[]) =>
  values.sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;

interface Cost {
  first: number;
  pause: number;
}

function live(): Cost {
  const start = now();
  const pid = fork();
  const back = now();
  if (pid === 0) {
    writeFileSync(note, `${back}`);
    _exit(0);
  }
  waitpid(pid);
  return { first: Number(readFileSync(note, 'utf8')) - start, pause: back - start };
}

async function startModule(): Promise<Cost> {
  const start = now();
  const child = forkModule(module, [note]);
  const back = now();
  await once(child, 'exit');
  return { first: Number(readFileSync(note, 'utf8')) - start, pause: back - start };
}

/** Fills the heap up to so many megabytes with objects, which the collector has to keep. */
function fill(heap: object[][], megabytes: number): void {
  while (process.memoryUsage().heapUsed < megabytes * 2 ** 20) {
    heap.push(Array.from({ length: 10_000 }, (_, i) => ({ i, text: `${i}` })));
  }
}

async function measure() {
  const heap: object[][] = [];
  const rows = [];
  for (const megabytes of HEAPS) {
    fill(heap, megabytes);
    await sleep(200);
    const costs: { live: Cost; peer: Cost }[] = [];
    // In turn, so that whatever else the machine does hits both.
    for (let i = 0; i < ROUNDS; i++) costs.push({ live: live(), peer: await startModule() });
    const of = (pick: (cost: { live: Cost; peer: Cost }) => number) => median(costs.map(pick));
    const first = of(({ live }) => live.first);
    const pause = of(({ live }) => live.pause);
    const peerFirst = of(({ peer }) => peer.first);
    const peerPause = of(({ peer }) => peer.pause);
    const rss = Math.round(process.memoryUsage().rss / 2 ** 20);
    const ratio = { first: first / peerFirst, pause: pause / peerPause };
    rows.push({ heap: megabytes, rss, first, peerFirst, pause, peerPause, ratio });
  }
  return rows;
}

writeFileSync(
  module,
  "require('fs').writeFileSync(process.argv[2], '' + Number(process.hrtime.bigint()) / 1e6)",
);
try {
  const rows = await measure();
  if (!process.argv.includes('--json')) {
    const ms = (value: number) => `${value.toFixed(1)} ms`;
    console.table(
      rows.map((row) => ({
        'heap, MB': row.heap,
        'RSS, MB': row.rss,
        'fork(): first statement': ms(row.first),
        'child_process.fork()': ms(row.peerFirst),
        ratio: row.ratio.first.toFixed(2),
        'fork(): parent stands still': ms(row.pause),
        'child_process.fork() ': ms(row.peerPause),
        'ratio ': row.ratio.pause.toFixed(2),
      })),
    );
  }
  console.log(JSON.stringify({ node: process.version, rounds: ROUNDS, rows }));
} finally {
  rmSync(folder, { recursive: true });
}
