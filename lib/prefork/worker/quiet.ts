// Chooses when to fork: with nothing of the program on the stack, no request in the thread pool,
// and no half-made connection.

import { Socket } from 'node:net';
import { native } from '../../addon/native.js';
import { clock } from '../../base/alarm.js';
import { setImmediate, setTimeout } from '../../base/timers.js';

/** How long to wait for that. After this, forking is more important. */
const QUIET_MS = 1000;

/**
 * Whether a socket is connecting, or in the middle of its TLS handshake. A fork would send the
 * client's first data too. The fork also could not find the socket in its pool, which gets it only
 * later.
 */
function isConnecting(): boolean {
  const { _getActiveHandles: handles } = process as { _getActiveHandles?(): unknown[] };
  return (handles?.call(process) ?? []).some(
    (one) =>
      one instanceof Socket &&
      (one.connecting || (one as { secureConnecting?: boolean }).secureConnecting === true),
  );
}

/** Calls back in a separate turn of the event loop, when everything is quiet. */
export function whenQuiet(act: () => void): void {
  const deadline = clock() + QUIET_MS;
  const look = (delay: number): void => {
    if ((native.quiesce(0) && !isConnecting()) || clock() > deadline) act();
    else setTimeout(look, delay, Math.min(2 * delay, 50));
  };
  setImmediate(look, 1);
}
