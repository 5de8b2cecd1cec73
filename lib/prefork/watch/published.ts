// The diagnostics channels of masters and their workers. Without subscribers no message is made.
import { channel } from 'node:diagnostics_channel';
import { phaseOf, type State, type WorkerState } from '../state/state.js';
import type { PreforkMasterMessage, PreforkWorkerMessage } from '../told.js';

const workers = channel('daemonkit:prefork:worker');
const masters = channel('daemonkit:prefork:master');

/** The common properties of all messages. */
type Who = Pick<PreforkWorkerMessage, 'id' | 'pid' | 'master' | 'generation'>;

type Happened = PreforkWorkerMessage extends infer M
  ? M extends Who
    ? Omit<M, keyof Who>
    : never
  : never;

/** Publishes an event of a worker. */
export function publishWorker(worker: WorkerState, happened: Happened): void {
  if (!workers.hasSubscribers) return;
  const { seat: id, pid, generation } = worker;
  const who: Who = { id, pid, master: process.pid, generation };
  workers.publish({ ...who, ...happened });
}

/**
 * Publishes the differences between two states, except ends, which are published elsewhere with
 * more data.
 */
export function publishChanges(before: State | undefined, after: State): void {
  if (masters.hasSubscribers) publishMaster(before, after);
  if (!workers.hasSubscribers || before?.workers === after.workers) return;
  for (const worker of after.workers) {
    const old = before?.workers.find(({ pid }) => pid === worker.pid);
    if (old === undefined) publishWorker(worker, { event: 'forked' });
    const becameReady = old?.readyAt === undefined && worker.readyAt !== undefined;
    // A worker that has been asked to end does not serve.
    if (becameReady && !old?.leaving) publishWorker(worker, { event: 'ready' });
    const { due, leaving } = worker;
    if (due && !old?.due) publishWorker(worker, { event: 'recycled', reason: due });
    if (leaving && leaving !== 'hung' && !old?.leaving) {
      publishWorker(worker, { event: 'leaving', asked: leaving === 'asked' });
    }
  }
}

function publishMaster(before: State | undefined, after: State): void {
  const state = phaseOf(after);
  const { generation, seats } = after;
  const same = before !== undefined && phaseOf(before) === state;
  if (same && before.generation === generation && before.seats === seats) return;
  const message = { pid: process.pid, state, generation, seats };
  masters.publish(message satisfies PreforkMasterMessage);
}
