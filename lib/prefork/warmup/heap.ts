// Prepares the heap for forks: collected, compacted and with room to grow, so that the garbage
// collector of a forked process writes little to shared pages.

import { runInNewContext } from 'node:vm';
import { sleep } from '../../base/timers.js';
import { setForGood, withFlags } from './flags.js';
import { Inspector } from './inspector.js';

type Collect = (options: object) => void;
const V8 = Number.parseInt(process.versions.v8, 10);

/**
 * Collects as V8 does when memory is exhausted: repeatedly, so that the young generation releases
 * its pages. `gc()` alone would leave it as large as it was when the data was loaded (97 MB on Node
 * 24), and each worker would write to all of it in turn.
 */
async function collectAll(): Promise<void> {
  // V8 11 takes the object as a request to collect only the young generation.
  const gc = runInNewContext('globalThis.gc') as Collect | undefined;
  if (V8 >= 12 && gc !== undefined) {
    gc({ type: 'major', flavor: 'last-resort' });
    return;
  }
  // Otherwise the command line has --no-expose-gc.
  using inspector = Inspector.open();
  await inspector?.done('HeapProfiler.collectGarbage');
}

/**
 * The collector's threads still sweep after the call. They have finished when the process is idle.
 */
async function swept(): Promise<void> {
  for (let waits = 0; waits < 50; waits++) {
    const before = process.cpuUsage();
    await sleep(10);
    const { user, system } = process.cpuUsage(before);
    if (user + system < 2000) return;
  }
}

/**
 * V8 collects and compacts a heap that has been idle for eight seconds, in the master and in each
 * worker. Then all pages to or from which it moves objects, or that point to those, are no longer
 * shared. So this stays off.
 */
function keepStill(): void {
  if (V8 < 12) setForGood(['--no-memory-reducer', '--memory-reducer']);
  else setForGood(['--memory-reducer-gc-count=0', '--memory-reducer-gc-count=2']);
}

/**
 * Makes the heap suitable for sharing with forked processes.
 *
 * - stress-compaction: each collection empties half of the old pages, even full ones, and fills the
 *   holes of the others. The collector of a forked process does not write to a page without holes
 *   when it sweeps. V8 keeps the emptied pages (100 MB on Node 26) until the second collection
 *   releases them.
 * - heap-growing-percent: without it the heap's limit would be close to its size after such a
 *   collection, and the next collection would come soon.
 * - flush-bytecode: such a collection ages all functions, so that V8 would discard their code.
 */
export async function compactHeap(): Promise<void> {
  const flags = [
    ['--expose-gc', '--no-expose-gc'],
    ['--no-flush-bytecode', '--flush-bytecode'],
    ['--heap-growing-percent=100', '--heap-growing-percent=0'],
  ] as const;
  await withFlags(flags, async () => {
    await withFlags([['--stress-compaction', '--no-stress-compaction']], collectAll);
    await collectAll();
    await withFlags([['--no-incremental-marking', '--incremental-marking']], swept);
  });
  keepStill();
}
