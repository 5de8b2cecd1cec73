// The line between the master and a worker: one record when the worker is ready, and its end.
import { closeSync, readSync } from 'node:fs';
import { constants } from 'node:os';
import { systemError } from '../errors.js';
import { fork } from '../fork.js';
import { native, type Watch } from '../native.js';
import { socketpair } from '../socketpair.js';
import { watch } from '../watch.js';

const READY = 'r';

/** fork() with a line between the two: each gets its end of it, and in the child `pid` is 0. */
export function forkWithLine(): { pid: number; line: number } {
  const [masters, workers] = socketpair(true);
  try {
    const pid = fork();
    closeSync(pid === 0 ? masters : workers);
    return { pid, line: pid === 0 ? workers : masters };
  } catch (error) {
    closeSync(masters);
    closeSync(workers);
    throw error;
  }
}

/** Whether there is a record; otherwise the line has ended. */
function hasRecord(line: number, status: number): boolean {
  try {
    return status === 0 && readSync(line, Buffer.alloc(16)) > 0;
  } catch {
    return false;
  }
}

/** Has the event loop watch an end of the line; closing the watch closes the descriptor. */
export function watchLine(
  line: number,
  told: { ready?: () => void; end: () => void },
  ref: boolean,
): Watch {
  const onReadable = (status: number) => {
    if (hasRecord(line, status)) told.ready?.();
    else {
      watched.close();
      told.end();
    }
  };
  const watched = watch(line, onReadable, ref, true);
  return watched;
}

/** The worker's word. A master that is gone (EPIPE) is told by the line's end, not here. */
export function sayReady(line: number): void {
  const sent = native.sendRecord(line, READY);
  if (sent < 0 && sent !== -constants.errno.EPIPE) throw systemError(sent, 'send');
}
