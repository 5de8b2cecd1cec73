// The diagnostics channels of masters and their workers. Without subscribers no message is made.
import { channel } from 'node:diagnostics_channel';
import type { SignalName } from '../system/signal-numbers.js';
import type { RecycleReason, WorkerExit } from './options.js';
import { phaseOf, type State, type WorkerState } from './state.js';

/** What every {@link PreforkWorkerMessage} has. */
interface OfWorker {
  /** The worker's seat, from 1 to the number of workers. */
  id: number;
  /** The worker. */
  pid: number;
  /** The process that publishes it: the worker's master. */
  master: number;
  /** How many reloads there had been when it was forked. */
  generation: number;
}

/**
 * `daemonkit:prefork:worker`: what has become of a worker, in the master.
 *
 * - `forked`: it begins with `onWorkerStart`.
 * - `ready`: it serves.
 * - `recycled`: it has served long enough, and is to be replaced: `reason` says by which option.
 * - `hung`: it has not answered in `silent` milliseconds in which it could have run, and gets `signal`.
 * - `leaving`: it ends, by itself or as it was `asked` to.
 * - `ended`: it is gone; `exit` as `onMasterReap` gets it.
 */
export type PreforkWorkerMessage = OfWorker &
  (
    | { event: 'forked' | 'ready' }
    | { event: 'recycled'; reason: RecycleReason }
    | { event: 'hung'; signal: SignalName; silent: number }
    | { event: 'leaving'; asked: boolean }
    | { event: 'ended'; exit: WorkerExit }
  );

/** `daemonkit:prefork:master`: a master has begun, reloads, has done so, stops, or has ended. */
export interface PreforkMasterMessage {
  /** The process that publishes it. */
  pid: number;
  /** What it does from now on. */
  state: 'running' | 'reloading' | 'stopping' | 'ended';
  /** How many reloads there were. */
  generation: number;
  /** How many workers it shall have. */
  seats: number;
}

const workers = channel('daemonkit:prefork:worker');
const masters = channel('daemonkit:prefork:master');

type Happened = PreforkWorkerMessage extends infer M
  ? M extends OfWorker
    ? Omit<M, keyof OfWorker>
    : never
  : never;

/** Tells what has happened to a worker. */
export function publishWorker(worker: WorkerState, happened: Happened): void {
  if (!workers.hasSubscribers) return;
  const { seat: id, pid, generation } = worker;
  const who: OfWorker = { id, pid, master: process.pid, generation };
  workers.publish({ ...who, ...happened });
}

/** Tells what is different in the second state, but for ends, of which more is known elsewhere. */
export function publishChanges(before: State | undefined, after: State): void {
  if (masters.hasSubscribers) publishMaster(before, after);
  if (!workers.hasSubscribers || before?.workers === after.workers) return;
  for (const worker of after.workers) {
    const old = before?.workers.find(({ pid }) => pid === worker.pid);
    if (old === undefined) publishWorker(worker, { event: 'forked' });
    if (old?.readyAt === undefined && worker.readyAt !== undefined) {
      publishWorker(worker, { event: 'ready' });
    }
    const { due, leaving } = worker;
    if (due && !old?.due) publishWorker(worker, { event: 'recycled', reason: due });
    if (leaving && leaving !== 'hung' && !old?.leaving) {
      publishWorker(worker, { event: 'leaving', asked: leaving === 'asked' });
    }
  }
}

function publishMaster(before: State | undefined, after: State): void {
  const state = phaseOf(after);
  const { generation, rules } = after;
  const same = before !== undefined && phaseOf(before) === state;
  if (same && before.generation === generation && before.rules.seats === rules.seats) return;
  const message = { pid: process.pid, state, generation, seats: rules.seats };
  masters.publish(message satisfies PreforkMasterMessage);
}
