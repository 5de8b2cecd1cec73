// ChildProcess objects in a copy of the process: the processes are the parent's children.
import { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { native } from '../native.js';
import { Announced } from './announced.js';
import { closeEnd, closeHandle, type Handle } from './channel.js';
import { instancesOf } from './early.js';

interface Stream {
  _handle?: Handle | null;
  destroyed: boolean;
}

interface Innards {
  _handle?: Handle | null;
  stdio?: (Stream | null)[];
  pid?: number | undefined;
}

/** Stands where the handle was: kill() finds nobody, and gives false. */
const nobody = {
  pid: 0,
  kill: () => -constants.errno.ESRCH,
  close() {},
  ref() {},
  unref() {},
  hasRef: () => false,
};

/** Only ask where the loop waits for some: a collection of garbage. */
function early(): ChildProcess[] {
  return native.processHandles() > 0 ? instancesOf(ChildProcess.prototype) : [];
}

const children = new Announced<ChildProcess>('child_process', 'process', early());

/**
 * Closes a pipe's copy of the parent's descriptor. `destroyed` first: writes that are cancelled are
 * then not told as errors. No event comes: destroy() would emit 'close', and whoever waits for the
 * child would take it for ended.
 */
function sever(stream: Stream): void {
  const handle = stream._handle;
  if (!handle) return;
  stream.destroyed = true;
  stream._handle = null;
  closeHandle(handle);
}

function release(child: ChildProcess): void {
  const innards = child as unknown as Innards;
  // One that could not be started: its 'error' is still to come, here as well.
  if (innards.pid === undefined) return;
  const { _handle: handle, stdio } = innards;
  if (handle && handle !== nobody) {
    innards._handle = nobody;
    closeHandle(handle);
  }
  if (stdio) {
    for (let i = 0; i < stdio.length; i++) {
      const stream = stdio[i];
      if (stream) sever(stream);
    }
  }
  closeEnd(child);
}

/** In the child: they are nobody's here, and stay silent. */
export function releaseChildren(): void {
  children.each(release);
  // Those that no object of ours leads to.
  native.disownProcesses();
}
