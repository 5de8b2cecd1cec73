// When to fork: with nothing of the program's on the stack, and no request in the thread pool.
import { setImmediate, setTimeout } from 'node:timers';
import { native } from '../addon/native.js';
import { clock } from './alarm.js';

// The originals: a program may have fake ones for its tests.
const [soon, later] = [setImmediate, setTimeout];

/** How long to wait for the thread pool. Then the workers matter more. */
const QUIET_MS = 1000;

/** Calls back from a turn of the event loop of its own, when the thread pool is idle. */
export function whenQuiet(act: () => void): void {
  const deadline = clock() + QUIET_MS;
  const look = (delay: number): void => {
    if (native.quiesce(0) || clock() > deadline) act();
    else later(look, delay, Math.min(2 * delay, 50));
  };
  soon(look, 1);
}
