// The descriptor table of this process, as /proc and libuv tell it: what each descriptor is, which
// are the runtime's own, and which were there before the program.
import { basename } from 'node:path';
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads';
import { native } from '../addon/native.js';
import { standardTaken } from '../posix/standard.js';
import { system } from '../system/system.js';
import type { DescriptorType, Entry, Identity } from '../system/types.js';
import { fromStarter, type Parent, parentHas } from './parent.js';

export interface Table {
  entries: Entry[];
  /** Registered in an epoll of the process: in use by an event loop, of whichever thread. */
  polled: Set<number>;
}

/** Reads the table; throws what readdir(3) says on Linux without /proc. */
export function readTable(): Table {
  const entries = system.descriptors();
  return { entries, polled: system.polled(entries) };
}

/**
 * Pipes whose two ends are here, above the standard descriptors, and close on exec: how threads
 * wake each other. One end may well have two numbers.
 */
function wakers({ entries }: Table): Set<string> {
  const pipes = entries.filter(({ fd, type }) => fd > 2 && type === 'pipe');
  const targets = (has: (entry: Entry) => boolean) =>
    new Set(pipes.filter(has).map(({ target }) => target));
  const leftOpen = targets(({ cloexec }) => !cloexec);
  const writable = targets((entry) => entry.writable);
  const readable = targets((entry) => entry.readable);
  return new Set([...readable].filter((pipe) => writable.has(pipe) && !leftOpen.has(pipe)));
}

/** V8 keeps a file open for --prof, --perf-basic-prof and --perf-prof; it has its pid in the name. */
const LOG_OF_V8 = /^(?:isolate-?0x[0-9a-f]+-\d+-.*\.log|perf-\d+\.map|jit-\d+\.dump)$/;

const KINDS_OF_RUNTIME: readonly DescriptorType[] = ['epoll', 'kqueue', 'eventfd', 'io_uring'];

/** The descriptors that are libuv's, V8's, or of their kind: see {@link openDescriptors}. */
export function ofRuntime(table: Table): Set<number> {
  const own = new Set([...native.loopDescriptors(), ...start.reserves]);
  const pipes = wakers(table);
  for (const { fd, type, target, cloexec } of table.entries) {
    if (cloexec && fd > 2 && KINDS_OF_RUNTIME.includes(type)) own.add(fd);
    if (type === 'pipe' && fd > 2 && pipes.has(target) && !start.pipes.has(target)) own.add(fd);
    if (type === 'file' && LOG_OF_V8.test(basename(target))) own.add(fd);
  }
  return own;
}

const owners: (() => number[])[] = [];

/** Registers descriptors that nobody else shall take for what the starter has left open. */
export function ownDescriptors(own: () => number[]): void {
  owners.push(own);
}

/** What was there when daemonkit was loaded. */
interface Start {
  /** By descriptor. */
  inherited: Map<number, Identity>;
  /** /dev/null, as each libuv loop holds one for when descriptors run out. */
  reserves: Set<number>;
  /** Pipes of which the parent process has an end too, though both ends are here. */
  pipes: Set<string>;
}

let start: Start = { inherited: new Map(), reserves: new Set(), pipes: new Set() };

function isReserve({ fd, target, cloexec, writable }: Entry): boolean {
  return fd > 2 && target === '/dev/null' && cloexec && !writable;
}

// Node sets close-on-exec on what it inherits as well, so that the flag tells nothing, and a file
// that was inherited looks like one that the program has opened. The difference is that the parent
// process has it too; that it is there when this module is loaded, and neither the runtime's nor in
// use by it, is necessary only.
function findStart(): void {
  const table = readTable();
  const { entries, polled } = table;
  start.reserves = new Set(entries.filter(isReserve).map(({ fd }) => fd));
  // All of the runtime's but one, a lock that libuv made of a pipe, are polled. A second one that is
  // not may have come with its two ends from a starter who has forgotten it.
  const pipes = entries.filter(({ fd, type }) => type === 'pipe' && fd > 2);
  const active = new Set(pipes.flatMap(({ fd, target }) => (polled.has(fd) ? target : [])));
  const still = new Set(pipes.flatMap(({ target }) => (active.has(target) ? [] : target)));
  const parent = system.filesOfParent();
  const parents = new Set(parent?.map(({ target }) => target));
  start.pipes = new Set(still.size > 1 ? [...still].filter((pipe) => parents.has(pipe)) : []);
  const runtime = ofRuntime(table);
  const used = inUse(table);
  const others = new Set([...runtime, ...used, ...owners.flatMap((own) => own())]);
  const inherited = entries.filter(
    (entry) => entry.fd <= 2 || (!others.has(entry.fd) && fromStarter(entry, parent, entries)),
  );
  start.inherited = new Map(inherited.map(({ fd, dev, ino }) => [fd, { dev, ino }]));
  for (const entry of entries) if (isOpenedAtStandard(entry, parent)) standardTaken(entry.fd);
}

/**
 * A database at 0, as of a script that had closed that before: open for both, which a redirection seldom
 * is, and not open in the parent, which keeps what it passes on as a standard stream.
 */
function isOpenedAtStandard(entry: Entry, parent: Parent): boolean {
  const { fd, type, readable, writable } = entry;
  const both = fd <= 2 && type === 'file' && readable && writable;
  return both && parent !== undefined && !parentHas(entry, parent);
}

/** In use by an event loop: registered in an epoll, or a handle's of this thread's loop. */
export function inUse({ polled }: Table): Set<number> {
  return new Set([...polled, ...native.handleDescriptors()]);
}

/** Whether a descriptor still leads to what it led to when the program started. */
export function wasInherited(entry: Entry): boolean {
  const known = start.inherited.get(entry.fd);
  return known?.dev === entry.dev && known.ino === entry.ino;
}

// A Worker comes late and would take all that is open for inherited: it is told by its creator.
const START = 'daemonkit.start';

/** When the package is loaded. */
export function recordStart(): void {
  if (!isMainThread) {
    start = (getEnvironmentData(START) as unknown as Start | undefined) ?? start;
    return;
  }
  try {
    findStart();
  } catch {
    // Without /proc nobody can be told what was inherited; openDescriptors() says so.
  }
  setEnvironmentData(START, start);
}
