// Linux's /proc as text, for whoever can do without: FreeBSD, a chroot and hidepid= have none.
import { closeSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { constants } from 'node:os';
import { native } from '../addon/native.js';
import { systemError } from '../base/errors.js';

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
    return textOf(fd);
  } finally {
    closeSync(fd);
  }
}

/** The same of one that is open, from its beginning. */
export function textOf(fd: number): string {
  for (let text = ''; ; ) {
    const length = readSync(fd, room, 0, room.length, text.length);
    if (length === 0) return text;
    text += room.toString('latin1', 0, length);
  }
}

/**
 * Whether the numbers in /proc are those of this process's PID namespace. Another one's /proc, as after `unshare
 * --pid` or in a container that has the host's, has this process at /proc/self, by a number that is somebody else's
 * here; and what it has at a number of ours is somebody else, too.
 */
export function procIsOurs(): boolean {
  try {
    return readlinkSync('/proc/self') === `${native.getpid()}`;
  } catch {
    return false; // none at all; one of a namespace that this process is not in
  }
}

/** What is asked for by the number of a process. */
const isNumbered = (path: string) => /^\d/.test(path);

/** A file of /proc, by its path in there; undefined if it is gone, not there, not for us, or not the one meant. */
export function procText(path: string): string | undefined {
  if (isNumbered(path) && !procIsOurs()) return undefined;
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

/** ENOENT: a chroot without /proc, hidepid=2 and 4. EPERM: hidepid=1 (proc_pid_permission() of fs/proc/base.c). */
const CLOSED = ['ENOENT', 'EACCES', 'EPERM'];

/** A directory of /proc, or nothing in a chroot without it, or where it is closed to this user or not the one meant. */
export function procListing(path: string): string[] {
  if (!path.startsWith('self') && !procIsOurs()) return [];
  try {
    return readdirSync(`/proc/${path}`);
  } catch (error) {
    if (CLOSED.includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}

/**
 * The children of a process, zombies too, by /proc/PID/task/TID/children. The list of this process is
 * complete, as nobody else takes children off it: proc(5) says what is wrong with those of others.
 *
 * @throws `ENOTSUP` if the numbers would be those of another PID namespace; what open(2) says.
 */
export function procChildren(pid: number | 'self'): number[] {
  if (!procIsOurs()) {
    const detail = '/proc is missing, or of another PID namespace';
    throw systemError(-constants.errno.ENOTSUP, 'open', { detail });
  }
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).flatMap((tid) =>
    kernelText(`${tasks}/${tid}/children`).split(' ').filter(Boolean).map(Number),
  );
}
