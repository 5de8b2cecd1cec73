// The descriptor table of this process, as /proc and libuv tell it: what each descriptor is, which
// are the runtime's own, and which were there before the program.
import { constants, fstatSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { isatty } from 'node:tty';
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads';
import { native } from './native.js';

/** What a descriptor leads to. */
export type DescriptorType =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'socket'
  | 'pipe'
  | 'fifo'
  | 'tty'
  | 'char'
  | 'block'
  | 'memfd'
  | 'epoll'
  | 'eventfd'
  | 'inotify'
  | 'fanotify'
  | 'timerfd'
  | 'signalfd'
  | 'pidfd'
  | 'io_uring'
  | 'other';

/** The file that a descriptor leads to: the number alone may be another file's by now. */
interface Identity {
  dev: bigint;
  ino: bigint;
}

export interface Entry extends Identity {
  fd: number;
  target: string;
  type: DescriptorType;
  cloexec: boolean;
}

export interface Table {
  entries: Entry[];
  /** Registered in an epoll of the process: in use by an event loop, of whichever thread. */
  polled: Set<number>;
}

/** By the beginning of the link's text, for what has no name of its own in the file system. */
const NAMELESS: readonly (readonly [prefix: string, type: DescriptorType])[] = [
  ['anon_inode:[eventpoll]', 'epoll'],
  ['anon_inode:[eventfd]', 'eventfd'],
  ['anon_inode:[io_uring]', 'io_uring'],
  ['anon_inode:[timerfd]', 'timerfd'],
  ['anon_inode:[signalfd]', 'signalfd'],
  ['anon_inode:[fanotify]', 'fanotify'],
  ['anon_inode:inotify', 'inotify'],
  ['anon_inode:[pidfd]', 'pidfd'],
  ['pidfd:[', 'pidfd'],
  ['anon_inode:', 'other'],
  ['/memfd:', 'memfd'],
];

const BY_MODE = new Map<number, DescriptorType>([
  [constants.S_IFREG, 'file'],
  [constants.S_IFDIR, 'directory'],
  [constants.S_IFLNK, 'symlink'],
  [constants.S_IFSOCK, 'socket'],
  [constants.S_IFCHR, 'char'],
  [constants.S_IFBLK, 'block'],
]);

function typeOf(fd: number, target: string, mode: number): DescriptorType {
  const nameless = NAMELESS.find(([prefix]) => target.startsWith(prefix));
  if (nameless !== undefined) return nameless[1];
  const format = mode & constants.S_IFMT;
  if (format === constants.S_IFIFO) return target.startsWith('pipe:[') ? 'pipe' : 'fifo';
  if (format === constants.S_IFCHR && isatty(fd)) return 'tty';
  return BY_MODE.get(format) ?? 'other';
}

function entryOf(fd: number): Entry | undefined {
  try {
    const target = readlinkSync(`/proc/self/fd/${fd}`);
    const { dev, ino, mode } = fstatSync(fd, { bigint: true });
    const cloexec = native.closeOnExec(fd) === 1;
    return { fd, dev, ino, target, type: typeOf(fd, target, Number(mode)), cloexec };
  } catch {
    // That of the listing itself, closed again; or another thread's.
    return undefined;
  }
}

/** Reads the table; throws what readdir(3) says where there is no /proc. */
export function readTable(): Table {
  const fds = readdirSync('/proc/self/fd').map(Number);
  const entries = fds.sort((a, b) => a - b).flatMap((fd) => entryOf(fd) ?? []);
  const epolls = entries.filter(({ type }) => type === 'epoll');
  return { entries, polled: new Set(epolls.flatMap(({ fd }) => registrations(fd))) };
}

function registrations(epoll: number): number[] {
  try {
    const info = readFileSync(`/proc/self/fdinfo/${epoll}`, 'latin1');
    return [...info.matchAll(/^tfd:\s*(\d+)/gm)].map(([, fd]) => Number(fd));
  } catch {
    return []; // another thread's, closed meanwhile
  }
}

/** The link's mode tells what a descriptor is open for. */
function linkMode(fd: number): number {
  return lstatSync(`/proc/self/fd/${fd}`, { throwIfNoEntry: false })?.mode ?? 0;
}

/** The fields of /proc/self/stat from the third on: state, ppid, pgrp, session, tty_nr. */
export function ownStat(): string[] {
  return readFileSync('/proc/self/stat', 'latin1').split(') ').pop()?.split(' ') ?? [];
}

/** What the process's parent has open; nothing if that cannot be seen. */
function targetsOfParent(): Set<string> {
  try {
    const folder = `/proc/${ownStat()[1]}/fd`;
    return new Set(readdirSync(folder).map((fd) => readlinkSync(`${folder}/${fd}`)));
  } catch {
    return new Set();
  }
}

/**
 * Pipes whose two ends are here, above the standard descriptors, and close on exec: how threads
 * wake each other. One end may well have two numbers.
 */
function wakers({ entries }: Table): Set<string> {
  const pipes = entries.filter(({ fd, type }) => fd > 2 && type === 'pipe');
  const ends = (bit: number) =>
    new Set(pipes.flatMap(({ fd, target }) => (linkMode(fd) & bit ? target : [])));
  const leftOpen = new Set(pipes.flatMap(({ cloexec, target }) => (cloexec ? [] : target)));
  const writable = ends(constants.S_IWUSR);
  return new Set(
    [...ends(constants.S_IRUSR)].filter((pipe) => writable.has(pipe) && !leftOpen.has(pipe)),
  );
}

/** V8 keeps a file open for --prof, --perf-basic-prof and --perf-prof; it has its pid in the name. */
const LOG_OF_V8 = /^(?:isolate-?0x[0-9a-f]+-\d+-.*\.log|perf-\d+\.map|jit-\d+\.dump)$/;

const KINDS_OF_RUNTIME: readonly DescriptorType[] = ['epoll', 'eventfd', 'io_uring'];

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

function isReserve({ fd, target, cloexec }: Entry): boolean {
  return fd > 2 && target === '/dev/null' && cloexec && (linkMode(fd) & constants.S_IWUSR) === 0;
}

// Node sets close-on-exec on what it inherits as well, so that the flag tells nothing, and a file
// that was inherited looks like one that the program has opened. The difference is time: what is
// there when this module is loaded, and is neither the runtime's nor in use by it, was inherited.
function findStart(): void {
  const table = readTable();
  const { entries, polled } = table;
  start.reserves = new Set(entries.filter(isReserve).map(({ fd }) => fd));
  // All of the runtime's but one, a lock that libuv made of a pipe, are polled. A second one that is
  // not may have come with its two ends from a starter who has forgotten it.
  const pipes = entries.filter(({ fd, type }) => type === 'pipe' && fd > 2);
  const active = new Set(pipes.flatMap(({ fd, target }) => (polled.has(fd) ? target : [])));
  const still = new Set(pipes.flatMap(({ target }) => (active.has(target) ? [] : target)));
  const parents = still.size > 1 ? targetsOfParent() : new Set<string>();
  start.pipes = new Set([...still].filter((pipe) => parents.has(pipe)));
  const runtime = ofRuntime(table);
  const used = inUse(table);
  const inherited = entries.filter(({ fd }) => fd <= 2 || !(runtime.has(fd) || used.has(fd)));
  start.inherited = new Map(inherited.map(({ fd, dev, ino }) => [fd, { dev, ino }]));
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
if (isMainThread) {
  try {
    findStart();
  } catch {
    // Without /proc nobody can be told what was inherited; openDescriptors() says so.
  }
  setEnvironmentData(START, start);
} else {
  start = (getEnvironmentData(START) as unknown as Start | undefined) ?? start;
}
