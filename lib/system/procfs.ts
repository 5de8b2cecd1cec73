// Linux's /proc as text, for whoever can do without: FreeBSD, a chroot and hidepid= have none.
import { closeSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';

/** As much as a read(2) of /proc gives of most files at once, and so of one moment. */
const room = Buffer.allocUnsafeSlow(65_536);

/**
 * A file whose size tells nothing of its contents, which are bytes. Not by readFileSync(): where fstat(2) fails, that of
 * Node 22 and later leaves the descriptor open (tryStatSync() in its lib/fs.js closes only where its binding has not
 * thrown).
 */
export function kernelText(path: string): string {
  const fd = openSync(path, 'r');
  try {
    for (let text = ''; ; ) {
      const length = readSync(fd, room);
      if (length === 0) return text;
      text += room.toString('latin1', 0, length);
    }
  } finally {
    closeSync(fd);
  }
}

/** A file of /proc, by its path in there; undefined if it is gone, or not there or not for us. */
export function procText(path: string): string | undefined {
  try {
    return kernelText(`/proc/${path}`);
  } catch {
    return undefined;
  }
}

/** /proc/PID/stat, whose name may have spaces and parentheses of its own. */
export interface ProcStat {
  /** Of the name the kernel keeps 15 characters. */
  name: string;
  /** From the third on: state, ppid, pgrp, session, tty_nr. */
  fields: string[];
}

export function procStat(pid: number | 'self'): ProcStat | undefined {
  const line = procText(`${pid}/stat`);
  if (line === undefined) return undefined;
  const end = line.lastIndexOf(')');
  return { name: line.slice(line.indexOf('(') + 1, end), fields: line.slice(end + 2).split(' ') };
}

/** What a process has open; nothing without /proc or in a process that is closed to us. */
export function procLinks(pid: number | 'self'): [fd: number, target: string][] {
  const folder = `${pid}/fd`;
  return procListing(folder).flatMap((fd) => {
    try {
      return [[Number(fd), readlinkSync(`/proc/${folder}/${fd}`)]];
    } catch {
      return []; // closed by now, as the descriptor of the listing is
    }
  });
}

/** A directory of /proc, or nothing in a chroot without it, or where it is closed to this user. */
export function procListing(path: string): string[] {
  try {
    return readdirSync(`/proc/${path}`);
  } catch (error) {
    if (['ENOENT', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}

/**
 * The children of a process, zombies too, by /proc/PID/task/TID/children. The list of this process is
 * complete, as nobody else takes children off it: proc(5) says what is wrong with those of others.
 */
export function procChildren(pid: number | 'self'): number[] {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).flatMap((tid) =>
    kernelText(`${tasks}/${tid}/children`).split(' ').filter(Boolean).map(Number),
  );
}
