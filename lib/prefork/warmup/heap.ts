// The heap before a fork: collected, compacted and with room to grow, such that the collector in a copy of
// the process has little to write to the pages that both have.

import { runInNewContext } from 'node:vm';
import { sleep } from '../../base/timers.js';
import { setForGood, withFlags } from './flags.js';
import { Inspector } from './inspector.js';

type Collect = (options: object) => void;
const V8 = Number.parseInt(process.versions.v8, 10);

/**
 * Collects as V8 does when memory is at its end: repeatedly, and the young generation gives its pages
 * back. `gc()` alone would leave it as large as the loading of the data has made it (97 MB on Node 24),
 * and each worker would write to all of it in turn.
 */
async function collectAll(): Promise<void> {
  // V8 11 takes the object for the wish to collect the young generation only.
  const gc = runInNewContext('globalThis.gc') as Collect | undefined;
  if (V8 >= 12 && gc !== undefined) {
    gc({ type: 'major', flavor: 'last-resort' });
    return;
  }
  // Or the command line says --no-expose-gc.
  using inspector = Inspector.open();
  await inspector?.done('HeapProfiler.collectGarbage');
}

/** The collector's threads go on to sweep after it. They are done when the process is idle. */
async function swept(): Promise<void> {
  for (let waits = 0; waits < 50; waits++) {
    const before = process.cpuUsage();
    await sleep(10);
    const { user, system } = process.cpuUsage(before);
    if (user + system < 2000) return;
  }
}

/**
 * V8 collects and compacts a heap that has been idle for eight seconds, in the master and in each worker: all
 * pages that it moves objects to or from, or that point to those, are shared no more. This stays off.
 */
function keepStill(): void {
  if (V8 < 12) setForGood(['--no-memory-reducer', '--memory-reducer']);
  else setForGood(['--memory-reducer-gc-count=0', '--memory-reducer-gc-count=2']);
}

/**
 * Makes the heap fit to be shared with copies of the process.
 *
 * - stress-compaction: each collection empties half of the old pages, however full they are, and fills the
 *   holes of the others. A page without holes is not written to when the collector of a copy sweeps it. What
 *   was emptied is kept for later (100 MB on Node 26) until the second collection gives it back.
 * - heap-growing-percent: after such a collection the heap's limit would be close to its size, and the
 *   next one would come soon.
 * - flush-bytecode: such a collection ages all functions until their code is dropped.
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
