// Finds the running Worker threads.
import { readdirSync, readlinkSync } from 'node:fs';
import { isMainThread, Worker } from 'node:worker_threads';
import { Announced } from './announced.js';
import { instancesOf } from './early.js';

/** The event loops of every Node: main loop, the platform's delayed tasks, trace events. */
const LOOPS = 3;

/** Each Worker has its own event loop, and so its own epoll descriptor. */
function mayHaveWorkers(): boolean {
  if (process.platform !== 'linux') return false;
  try {
    let loops = 0;
    for (const fd of readdirSync('/proc/self/fd')) {
      try {
        if (readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventpoll]') loops++;
      } catch {
        // The descriptor of the listing itself.
      }
    }
    return loops > LOOPS;
  } catch {
    return true; // no /proc, or not permitted: a search is needed
  }
}

const workers = new Announced<Worker>();

/**
 * Runs when the package is loaded. A Worker cannot fork, so the Workers of a Worker do not matter.
 */
export function collectWorkers(): void {
  const early = isMainThread && mayHaveWorkers() ? instancesOf(Worker.prototype) : [];
  workers.collect('worker_threads', 'worker', early);
}

/**
 * Node's own Worker, which runs the hooks of module.register() and answers the main thread's
 * imports. It has no state of the program that a fork would duplicate, and the child needs its copy
 * for imports.
 */
function isInternal(worker: Worker): boolean {
  return worker.constructor?.name === 'InternalWorker';
}

/** Whether any Worker runs, including Node's own. */
export function anyWorkers(): boolean {
  let any = false;
  workers.each((worker) => {
    any ||= worker.threadId !== -1;
  });
  return any;
}

/** The number of Workers that run. */
export function liveWorkers(): number {
  let count = 0;
  workers.each((worker) => {
    if (worker.threadId !== -1 && !isInternal(worker)) count++;
  });
  return count;
}
