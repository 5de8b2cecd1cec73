// Descriptors on the event loop.

import { closeSync } from 'node:fs';
import { onAbort } from '../base/abort.js';
import { abortError, systemError } from '../base/errors.js';
import { clearTimeout, setTimeout } from '../base/timers.js';
import { native, type Watch } from './native.js';

/**
 * Calls back when a descriptor is readable, as `native.watch()` does.
 *
 * @param ref - whether it keeps the process alive.
 * @param owned - the descriptor is closed with the watch, or at once if it cannot be watched.
 */
export function watch(
  fd: number,
  callback: (status: number) => void,
  ref: boolean,
  owned = false,
): Watch {
  const watched = native.watch(fd, callback, ref, owned);
  if (typeof watched !== 'number') return watched;
  if (owned) closeSync(fd);
  throw systemError(watched, 'poll');
}

/** How {@link readableWithin} waits. */
interface Patience {
  /** The descriptor is closed in the end, on success and on failure. */
  owned?: boolean;
  signal?: AbortSignal | undefined;
}

/**
 * Whether a descriptor becomes readable, or hangs up, within a time; keeps the process alive.
 *
 * @throws (rejects with) the signal's `AbortError`.
 */
export function readableWithin(
  fd: number,
  milliseconds: number,
  { owned = false, signal }: Patience = {},
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const look = (status: number) => {
      end();
      if (status < 0) reject(systemError(status, 'poll'));
      else resolve(true);
    };
    const watched = watch(fd, look, true, owned);
    const timer = setTimeout(() => {
      end();
      resolve(false);
    }, milliseconds);
    const abort = () => {
      end();
      reject(abortError(signal as AbortSignal));
    };
    const unwatch = onAbort(signal, abort);
    const end = () => {
      clearTimeout(timer);
      watched.close();
      unwatch();
    };
    if (signal?.aborted) abort();
  });
}
