// The end of a seat that is given up: what waits in its queue is served, then nobody is there any more.
import { clearInterval, setInterval } from 'node:timers';
import { native } from '../../addon/native.js';
import { clock } from '../../base/alarm.js';

// The originals: a program may have fake ones for its tests.
const [every, stop] = [setInterval, clearInterval];

const LOOK_MS = 50;

/** The third step of a handshake takes a round trip. */
const QUIET_MS = 1000;

/** Calls back once nobody has waited at a listening socket for a while. */
export function whenDeserted(socket: number, leave: () => void): void {
  let since = clock();
  const looking = every(() => {
    if (native.waiting(socket) > 0) since = clock();
    if (clock() - since < QUIET_MS) return;
    stop(looking);
    leave();
  }, LOOK_MS);
}
