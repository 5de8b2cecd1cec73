// Linux: what it tells in /proc.
import { constants, fstatSync, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { native } from '../native.js';
import { procLinks, procStat, procText } from '../procfs.js';
import type { DescriptorType, Entry, System } from '../system.js';
import { typeOfMode } from './type.js';

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
  ['pipe:[', 'pipe'],
];

function entryOf(fd: number): Entry | undefined {
  try {
    const link = `/proc/self/fd/${fd}`;
    const target = readlinkSync(link);
    const { dev, ino, mode } = fstatSync(fd, { bigint: true });
    // The link's own mode tells what the descriptor is open for.
    const access = lstatSync(link).mode;
    return {
      fd,
      dev,
      ino,
      target,
      type:
        NAMELESS.find(([prefix]) => target.startsWith(prefix))?.[1] ?? typeOfMode(fd, Number(mode)),
      cloexec: native.closeOnExec(fd) === 1,
      readable: (access & constants.S_IRUSR) !== 0,
      writable: (access & constants.S_IWUSR) !== 0,
    };
  } catch {
    // That of the listing itself, closed again; or another thread's.
    return undefined;
  }
}

function registrations(epoll: number): number[] {
  // Empty: another thread's, closed meanwhile.
  const info = procText(`self/fdinfo/${epoll}`) ?? '';
  return [...info.matchAll(/^tfd:\s*(\d+)/gm)].map(([, fd]) => Number(fd));
}

export const systemLinux: System = {
  descriptors() {
    const fds = readdirSync('/proc/self/fd').map(Number);
    return fds.sort((a, b) => a - b).flatMap((fd) => entryOf(fd) ?? []);
  },

  polled(entries) {
    const epolls = entries.filter(({ type }) => type === 'epoll');
    return new Set(epolls.flatMap(({ fd }) => registrations(fd)));
  },

  targetsOfParent() {
    return new Set(procLinks(Number(procStat('self')?.fields[1])).map(([, target]) => target));
  },

  // /dev/tty is character device 5, 0 on every Linux.
  terminals: () => [Number(procStat('self')?.fields[4]), 0x500],

  parentageCall: 'prctl',
  exitCall: 'pidfd_open',
};
