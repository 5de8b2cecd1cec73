// Linux, by /proc.
import { constants, fstatSync, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { native } from '../addon/native.js';
import { typeOfMode } from './file-type.js';
import { procIsOurs, procLinks, procStat, procText } from './procfs.js';
import type { DescriptorType, Entry, System } from './types.js';

/** Types by the beginning of the link's text, for files without a name in the file system. */
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
    // The link's own mode shows the access mode of the descriptor.
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
    // The descriptor of the listing itself, already closed; or another thread has closed it.
    return undefined;
  }
}

function registrations(epoll: number): number[] {
  // Empty: another thread has closed it.
  const info = procText(`self/fdinfo/${epoll}`) ?? '';
  return [...info.matchAll(/^tfd:\s*(\d+)/gm)].map(([, fd]) => Number(fd));
}

const O_CLOEXEC = 0o2000000;

/** Offset and flags, without close-on-exec, which Node sets on inherited descriptors. */
function fdInfo(pid: number | 'self', fd: number): { pos: string; flags: number } | undefined {
  const text = procText(`${pid}/fdinfo/${fd}`);
  const [, pos = '', flags = ''] = /^pos:\s*(\d+)\nflags:\s*([0-7]+)$/m.exec(text ?? '') ?? [];
  if (pos === '') return undefined;
  const all = Number.parseInt(flags, 8);
  return { pos, flags: pid === 'self' ? all & ~O_CLOEXEC : all };
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

  filesOfParent() {
    const parent = native.getppid();
    if (!procIsOurs()) return undefined;
    try {
      readdirSync(`/proc/${parent}/fd`);
    } catch {
      return undefined; // another user's, outside of the PID namespace (0), or at its end
    }
    const files = procLinks(parent).map(([fd, target]) => ({ fd, target }));
    // If the parent has just ended, these are files of process 1 or a subreaper, or an incomplete
    // list.
    return native.getppid() === parent ? files : undefined;
  },

  sameAsOfParent(fd, theirs) {
    const same = native.sameOpenFile(fd, native.getppid(), theirs);
    return same < 0 ? undefined : same === 1;
  },

  passedByParent(fd) {
    const ours = fdInfo('self', fd);
    const theirs = fdInfo(native.getppid(), fd);
    if (ours === undefined || theirs === undefined || (theirs.flags & O_CLOEXEC) !== 0)
      return false;
    return ours.pos === theirs.pos && ours.flags === theirs.flags;
  },

  // /dev/tty is character device 5, 0 on every Linux.
  terminals: () => [Number(procStat('self')?.fields[4]), 0x500],

  parentageCall: 'prctl',
  exitCall: 'pidfd_open',
};
