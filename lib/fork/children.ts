// ChildProcess objects in a copy of the process: the processes are the parent's children.
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

/** What a ChildProcess asks of its handle. */
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

/** Stands where the handle was: kill() finds nobody, and gives false. */
const nobody: ProcessHandle = {
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

const children = new Announced<ChildProcess>();

/** When the package is loaded. */
export function collectChildren(): void {
  children.collect('child_process', 'process', early());
}

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

/** The processes that libuv waits for on this thread, as far as an object leads to them. */
export function childProcessIds(): number[] {
  const pids: number[] = [];
  children.each((child) => {
    const { _handle: handle, pid } = child as unknown as Innards;
    if (handle && handle !== nobody && pid !== undefined) pids.push(pid);
  });
  return pids;
}

/** In the child: they are nobody's here, and stay silent. */
export function releaseChildren(rehearsal?: boolean): void {
  if (rehearsal) return;
  children.each(release);
  // Those that no object of ours leads to.
  native.disownProcesses();
}

/** Stands for a process that is not our child: it can be signalled, and told to have ended. */
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

/** Before a fork whose child takes the parent's place: descriptors that stand for the processes. */
export function holdChildren(): Moving {
  const moving: Moving = [];
  children.each((child) => {
    const innards = child as unknown as Innards;
    const { _handle: handle, pid } = innards;
    if (!handle || pid === undefined || handle === nobody || handle instanceof Moved) return;
    // While it is our child its pid is its own.
    const pidfd = native.pidfdOpen(pid);
    if (pidfd >= 0) moving[moving.length] = [innards, handle, pidfd];
  });
  return moving;
}

/** In the parent again, without a child. */
export function dropChildren(moving: Moving): void {
  for (const [, , pidfd] of moving) closeSync(pidfd);
}

/**
 * In a child that takes the parent's place: pipes and channels go on, kill() works, 'exit' comes, but
 * without a status, which is for the parent's parent to collect.
 */
export function moveChildren(moving: Moving): void {
  for (let i = 0; i < moving.length; i++) {
    const [child, handle, pidfd] = moving[i] as Moving[number];
    child._handle = new Moved(handle, pidfd);
    closeHandle(handle);
  }
  native.disownProcesses();
}
