// ChildProcess objects in a forked process: their processes are the parent's children.
import { ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { native, type Watch } from '../addon/native.js';
import { Announced } from './announced.js';
import { closeEnd, closeHandle, type Handle } from './channel.js';
import { instancesOf } from './early.js';

interface Stream {
  _handle?: Handle | null;
  destroyed: boolean;
}

/** The part of the handle that a ChildProcess uses. */
interface ProcessHandle extends Handle {
  kill(signal: number): number;
  onexit?: ((exitCode: number | null, signal: string) => void) | undefined;
  ref(): void;
  unref(): void;
  hasRef(): boolean;
}

interface Innards {
  _handle?: ProcessHandle | null;
  stdio?: (Stream | null)[];
  pid?: number | undefined;
}

/** Replaces the handle: kill() finds no process and returns false. */
const nobody: ProcessHandle = {
  kill: () => -constants.errno.ESRCH,
  close() {},
  ref() {},
  unref() {},
  hasRef: () => false,
};

/** Searches only if the loop waits for a process, because the search costs a garbage collection. */
function early(): ChildProcess[] {
  return native.processHandles() > 0 ? instancesOf(ChildProcess.prototype) : [];
}

const children = new Announced<ChildProcess>();

/** When the package is loaded. */
export function collectChildren(): void {
  children.collect('child_process', 'process', early());
}

/**
 * Closes a pipe's copy of the parent's descriptor. `destroyed` is set first, so that cancelled
 * writes are not reported as errors. No event follows: destroy() would emit 'close', and code that
 * waits for the child would assume that it has ended.
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
  // A process that could not be started: its 'error' event comes later, in this process too.
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

/** The pids for which libuv waits on this thread, as far as a ChildProcess object is known. */
export function childProcessIds(): number[] {
  const pids: number[] = [];
  children.each((child) => {
    const { _handle: handle, pid } = child as unknown as Innards;
    if (handle && handle !== nobody && pid !== undefined) pids.push(pid);
  });
  return pids;
}

/** In the child: the processes are not its children, so the objects emit no events. */
export function releaseChildren(rehearsal?: boolean): void {
  if (rehearsal) return;
  children.each(release);
  // Handles without a known ChildProcess object.
  native.disownProcesses();
}

/**
 * The handle of a process that is not this process's child: it can send signals and report the end.
 */
class Moved implements ProcessHandle {
  readonly onexit: ProcessHandle['onexit'];
  readonly #pidfd: number;
  readonly #watch: Watch | undefined;
  #ref: boolean;

  constructor(handle: ProcessHandle, pidfd: number) {
    this.onexit = handle.onexit;
    this.#pidfd = pidfd;
    this.#ref = handle.hasRef();
    const watched = native.watch(pidfd, () => this.onexit?.(null, ''), this.#ref, true);
    if (typeof watched !== 'number') this.#watch = watched;
  }

  kill(signal: number): number {
    return native.pidfdSendSignal(this.#pidfd, signal);
  }

  close(): void {
    this.#watch?.close();
  }

  ref(): void {
    this.#ref = true;
    this.#watch?.ref();
  }

  unref(): void {
    this.#ref = false;
    this.#watch?.unref();
  }

  hasRef(): boolean {
    return this.#ref;
  }
}

type Moving = [child: Innards, handle: ProcessHandle, pidfd: number][];

/** Before a fork whose child replaces the parent: opens a pidfd for each process. */
export function holdChildren(): Moving {
  const moving: Moving = [];
  children.each((child) => {
    const innards = child as unknown as Innards;
    const { _handle: handle, pid } = innards;
    if (!handle || pid === undefined || handle === nobody || handle instanceof Moved) return;
    // A child's pid is not reused before it is reaped.
    const pidfd = native.pidfdOpen(pid);
    if (pidfd >= 0) moving[moving.length] = [innards, handle, pidfd];
  });
  return moving;
}

/** In the parent, if the fork failed. */
export function dropChildren(moving: Moving): void {
  for (const [, , pidfd] of moving) closeSync(pidfd);
}

/**
 * In a child that replaces the parent: pipes and channels keep working, kill() works, and 'exit'
 * comes, but without a status: only the new parent of these processes can collect it.
 */
export function moveChildren(moving: Moving): void {
  for (let i = 0; i < moving.length; i++) {
    const [child, handle, pidfd] = moving[i] as Moving[number];
    child._handle = new Moved(handle, pidfd);
    closeHandle(handle);
  }
  native.disownProcesses();
}
