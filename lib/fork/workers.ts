// Which Worker threads run.
import { readdirSync, readlinkSync } from 'node:fs';
import { isMainThread, Worker } from 'node:worker_threads';
import { Announced } from './announced.js';
import { instancesOf } from './early.js';

/** Main loop, the platform's delayed tasks, trace events: the event loops of every Node. */
const LOOPS = 3;

/** Each Worker has an event loop, and so an epoll descriptor, of its own. */
function mayHaveWorkers(): boolean {
  if (process.platform !== 'linux') return false;
  try {
    let loops = 0;
    for (const fd of readdirSync('/proc/self/fd')) {
      try {
        if (readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventpoll]') loops++;
      } catch {
        // That of the listing itself.
      }
    }
    return loops > LOOPS;
  } catch {
    return true; // no /proc, or not permitted: better to look
  }
}

const workers = new Announced<Worker>();

/** When the package is loaded. A Worker cannot fork, so its own Workers stand in nobody's way. */
export function collectWorkers(): void {
  const early = isMainThread && mayHaveWorkers() ? instancesOf(Worker.prototype) : [];
  workers.collect('worker_threads', 'worker', early);
}

/**
 * Node's own, which runs the hooks of module.register() and answers the main thread's imports. It
 * has no state of the program's that could be doubled, and the child needs its copy to import.
 */
function isInternal(worker: Worker): boolean {
  return worker.constructor?.name === 'InternalWorker';
}

/** Does any run, Node's own too? */
export function anyWorkers(): boolean {
  let any = false;
  workers.each((worker) => {
    any ||= worker.threadId !== -1;
  });
  return any;
}

/** How many Workers run. */
export function liveWorkers(): number {
  let count = 0;
  workers.each((worker) => {
    if (worker.threadId !== -1 && !isInternal(worker)) count++;
  });
  return count;
}
