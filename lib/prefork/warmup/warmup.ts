// The warmup in the master, before the first workers of a generation are forked.
import Module from 'node:module';
import { getHeapStatistics } from 'node:v8';
import { asError, telling } from '../../base/errors.js';
import { boolean } from '../../base/validate.js';
import { compactHeap } from './heap.js';
import { readStrings } from './strings.js';

export type Warmup = boolean | (() => unknown);

/** Bytes. Below this the gain is smaller than the cost of a tenth of a second. */
const SMALL_HEAP = 16 * 2 ** 20;

/** The used part of the master's plan. */
interface Plan {
  readonly warmup: Warmup;
  readonly server: object | undefined;
  readonly onWorkerStart: object | undefined;
  readonly onWorkerStop: object | undefined;
}

/** The callbacks to the master. */
interface Told {
  /** Whether the result is still needed; not in a fork of the master. */
  wanted: () => boolean;
  /** The program's own part has settled. The time of the rest depends on the size of the heap. */
  settling: () => void;
  settled: (error?: Error) => void;
}

export function warmupOption(value: unknown = true): Warmup {
  if (typeof value === 'function') return value as () => unknown;
  return boolean(value, 'options.warmup', ' or function');
}

/** Everything that a program has loaded can be reached from these. */
function roots({ warmup, server, onWorkerStart, onWorkerStop }: Plan): unknown[] {
  const { _cache: modules } = Module as { _cache?: object };
  return [server, onWorkerStart, warmup, onWorkerStop, modules, globalThis];
}

async function run(plan: Plan, told: Told): Promise<void> {
  // Only after prefork() has returned.
  await undefined;
  if (typeof plan.warmup === 'function') await plan.warmup();
  if (!told.wanted()) return;
  told.settling();
  if (getHeapStatistics().used_heap_size < SMALL_HEAP) return;
  readStrings(roots(plan));
  await compactHeap();
}

/**
 * Runs the program's warmup, then prepares the heap. The end is reported in a later turn of the
 * event loop.
 */
export function warm(plan: Plan, told: Told): void {
  const end = (error?: Error) => {
    if (told.wanted()) told.settled(error);
  };
  run(plan, told).then(
    () => end(),
    (thrown) => {
      const error = asError(thrown);
      const { code } = error as { code?: unknown };
      end(typeof code === 'string' ? error : telling(error, { code: 'ERR_WARMUP_FAILED' }));
    },
  );
}
