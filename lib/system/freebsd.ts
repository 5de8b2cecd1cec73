// FreeBSD, by system calls: it has no /proc by default.
import { fstatSync, statSync } from 'node:fs';
import { native } from '../addon/native.js';
import { systemError } from '../base/errors.js';
import { typeOfMode } from './file-type.js';
import type { DescriptorType, Entry, System } from './types.js';

type OpenFile = ReturnType<typeof native.fileDescriptors>[number];

const READ = 1;
const WRITE = 2;

function list(pid: number): OpenFile[] {
  const files = native.fileDescriptors(pid);
  const error = files[0]?.[0] ?? 0;
  if (error < 0) throw systemError(error, 'sysctl', { path: 'kern.proc.filedesc' });
  return files.sort(([a], [b]) => a - b);
}

function entryOf([fd, kind, target, access]: OpenFile): Entry | undefined {
  try {
    const { dev, ino, mode } = fstatSync(fd, { bigint: true });
    return {
      fd,
      dev,
      ino,
      target,
      type: kind === '' ? typeOfMode(fd, Number(mode)) : (kind as DescriptorType),
      cloexec: native.closeOnExec(fd) === 1,
      readable: (access & READ) !== 0,
      writable: (access & WRITE) !== 0,
    };
  } catch {
    return undefined; // another thread has closed it
  }
}

export const systemFreebsd: System = {
  descriptors: () => list(native.getpid()).flatMap((file) => entryOf(file) ?? []),

  // A kqueue shows its registrations only from FreeBSD 15 on (kern.proc.kq), and the addon reads
  // them only for a fork.
  polled: () => new Set(),

  filesOfParent() {
    try {
      return list(native.getppid()).map(([fd, , target]) => ({ fd, target }));
    } catch {
      return undefined; // another user's, or security.bsd.see_other_uids=0
    }
  },

  sameAsOfParent: () => undefined,

  // FreeBSD shows neither offset nor flags of another process's descriptors.
  passedByParent: () => false,

  // Looking up /dev/tty returns the terminal itself (ctty_clone of sys/kern/tty_tty.c).
  terminals() {
    const device = statSync('/dev/tty', { throwIfNoEntry: false })?.rdev;
    return device === undefined ? [] : [device];
  },

  parentageCall: 'procctl',
  exitCall: 'kqueue',
};
