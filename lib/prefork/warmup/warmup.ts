// What happens in the master before the first workers of a generation are forked.
import Module from 'node:module';
import { getHeapStatistics } from 'node:v8';
import { asError, telling } from '../../base/errors.js';
import { boolean } from '../../base/validate.js';
import { compactHeap } from './heap.js';
import { readStrings } from './strings.js';

export type Warmup = boolean | (() => unknown);

/** Bytes. What there is to win is less, and would cost a tenth of a second. */
const SMALL_HEAP = 16 * 2 ** 20;

/** Of the master's plan. */
interface Plan {
  readonly warmup: Warmup;
  readonly server: object | undefined;
  readonly onWorkerStart: object | undefined;
  readonly onWorkerStop: object | undefined;
}

/** How it went, as the master is told. */
interface Told {
  /** Whether anybody still waits for it; a copy of the master does not. */
  wanted: () => boolean;
  /** The program's own part has settled. The rest takes as long as the heap is large. */
  settling: () => void;
  settled: (error?: Error) => void;
}

export function warmupOption(value: unknown = true): Warmup {
  if (typeof value === 'function') return value as () => unknown;
  return boolean(value, 'options.warmup', ' or function');
}

/** Whatever a program has loaded hangs on one of these. */
function roots({ warmup, server, onWorkerStart, onWorkerStop }: Plan): unknown[] {
  const { _cache: modules } = Module as { _cache?: object };
  return [server, onWorkerStart, warmup, onWorkerStop, modules, globalThis];
}

async function run(plan: Plan, told: Told): Promise<void> {
  // Not before prefork() has returned.
  await undefined;
  if (typeof plan.warmup === 'function') await plan.warmup();
  if (!told.wanted()) return;
  told.settling();
  if (getHeapStatistics().used_heap_size < SMALL_HEAP) return;
  readStrings(roots(plan));
  await compactHeap();
}

/** Runs the program's warmup, then makes the heap fit to be shared. It is told of the end in a later turn. */
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
