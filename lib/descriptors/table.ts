// The descriptor table of this process, from /proc and libuv: the type of each descriptor, which
// belong to the runtime, and which were there before the program.
import { basename } from 'node:path';
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads';
import { native } from '../addon/native.js';
import { standardTaken } from '../posix/standard.js';
import { system } from '../system/system.js';
import type { DescriptorType, Entry, Identity } from '../system/types.js';
import { fromStarter, type Parent, parentHas } from './parent.js';

export interface Table {
  entries: Entry[];
  /** Registered in an epoll of the process: in use by the event loop of some thread. */
  polled: Set<number>;
}

/** Reads the table. On Linux without /proc it throws the error of readdir(3). */
export function readTable(): Table {
  const entries = system.descriptors();
  return { entries, polled: system.polled(entries) };
}

/**
 * Close-on-exec pipes above 2 with both ends in this process: threads wake each other by them. One
 * end may have two numbers.
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

/** V8 keeps a file open for --prof, --perf-basic-prof and --perf-prof, with the pid in its name. */
const LOG_OF_V8 = /^(?:isolate-?0x[0-9a-f]+-\d+-.*\.log|perf-\d+\.map|jit-\d+\.dump)$/;

const KINDS_OF_RUNTIME: readonly DescriptorType[] = ['epoll', 'kqueue', 'eventfd', 'io_uring'];

/** The descriptors of libuv and V8, and others of the same types: see {@link openDescriptors}. */
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

/** Registers descriptors of the package, so that they do not count as left open by the starter. */
export function ownDescriptors(own: () => number[]): void {
  owners.push(own);
}

/** The state when daemonkit was loaded. */
interface Start {
  /** The inherited files, by descriptor. */
  inherited: Map<number, Identity>;
  /**
   * Descriptors of /dev/null. Each libuv loop holds one in reserve for when descriptors run out.
   */
  reserves: Set<number>;
  /** Pipes with both ends in this process of which the parent process has an end too. */
  pipes: Set<string>;
}

let start: Start = { inherited: new Map(), reserves: new Set(), pipes: new Set() };

function isReserve({ fd, target, cloexec, writable }: Entry): boolean {
  return fd > 2 && target === '/dev/null' && cloexec && !writable;
}

// Node also sets close-on-exec on inherited descriptors. So the flag proves nothing, and an
// inherited file looks like one that the program has opened. The difference is that the parent
// process has it too. The other conditions are necessary but not sufficient: it is open when this
// module is loaded, and it neither belongs to the runtime nor is in use by it.
function findStart(): void {
  const table = readTable();
  const { entries, polled } = table;
  start.reserves = new Set(entries.filter(isReserve).map(({ fd }) => fd));
  // All pipes of the runtime are polled except one, a lock that libuv makes of a pipe. A second
  // pipe that is not polled may be inherited with both ends.
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
 * A file that the program opened at 0, for example a database after the script had closed 0. It is
 * open for reading and writing, which a redirection seldom is, and the parent does not have it; a
 * parent keeps what it passes on as a standard stream.
 */
function isOpenedAtStandard(entry: Entry, parent: Parent): boolean {
  const { fd, type, readable, writable } = entry;
  const both = fd <= 2 && type === 'file' && readable && writable;
  return both && parent !== undefined && !parentHas(entry, parent);
}

/**
 * In use by an event loop: registered in an epoll, or the descriptor of a handle on this thread's
 * loop.
 */
export function inUse({ polled }: Table): Set<number> {
  return new Set([...polled, ...native.handleDescriptors()]);
}

/** Whether a descriptor still leads to the file that it had when the program started. */
export function wasInherited(entry: Entry): boolean {
  const known = start.inherited.get(entry.fd);
  return known?.dev === entry.dev && known.ino === entry.ino;
}

// A Worker loads the package late and would take every open descriptor for inherited, so its
// creator passes the list.
const START = 'daemonkit.start';

/** Runs when the package is loaded. */
export function recordStart(): void {
  if (!isMainThread) {
    start = (getEnvironmentData(START) as unknown as Start | undefined) ?? start;
    return;
  }
  try {
    findStart();
  } catch {
    // Without /proc it is unknown what was inherited; openDescriptors() throws the error.
  }
  setEnvironmentData(START, start);
}
