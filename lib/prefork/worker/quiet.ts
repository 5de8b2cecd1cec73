// When to fork: with nothing of the program's on the stack, no request in the thread pool, and no
// connection half made.

import { Socket } from 'node:net';
import { native } from '../../addon/native.js';
import { clock } from '../../base/alarm.js';
import { setImmediate, setTimeout } from '../../base/timers.js';

/** How long to wait for that. Then the workers matter more. */
const QUIET_MS = 1000;

/**
 * Whether a socket is about to be connected, or in the middle of its TLS handshake. A copy would say the
 * client's first words as well; and nobody finds it in its pool, which gets it only afterwards.
 */
function isConnecting(): boolean {
  const { _getActiveHandles: handles } = process as { _getActiveHandles?(): unknown[] };
  return (handles?.call(process) ?? []).some(
    (one) =>
      one instanceof Socket &&
      (one.connecting || (one as { secureConnecting?: boolean }).secureConnecting === true),
  );
}

/** Calls back from a turn of the event loop of its own, when all is quiet. */
export function whenQuiet(act: () => void): void {
  const deadline = clock() + QUIET_MS;
  const look = (delay: number): void => {
    if ((native.quiesce(0) && !isConnecting()) || clock() > deadline) act();
    else setTimeout(look, delay, Math.min(2 * delay, 50));
  };
  setImmediate(look, 1);
}
