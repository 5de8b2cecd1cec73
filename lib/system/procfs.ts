// Linux's /proc as text. Callers must work without it, because FreeBSD, a chroot and hidepid= have
// none.
import { closeSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { constants } from 'node:os';
import { native } from '../addon/native.js';
import { systemError } from '../base/errors.js';

/** Large enough for most files of /proc in one read(2), so that the content is of one moment. */
const room = Buffer.allocUnsafeSlow(65_536);

/**
 * Reads a file whose stat size is meaningless. Not with readFileSync(): if fstat(2) fails, Node 22
 * and later leave the descriptor open (tryStatSync() in lib/fs.js closes it only if the binding has
 * not thrown).
 */
export function kernelText(path: string): string {
  const fd = openSync(path, 'r');
  try {
    return textOf(fd);
  } finally {
    closeSync(fd);
  }
}

/** The same for an open file, from its beginning. */
export function textOf(fd: number): string {
  for (let text = ''; ; ) {
    const length = readSync(fd, room, 0, room.length, text.length);
    if (length === 0) return text;
    text += room.toString('latin1', 0, length);
  }
}

/**
 * Whether the pids in /proc belong to this process's PID namespace. After `unshare --pid`, or in a
 * container with the host's /proc, they belong to another one. There /proc/self has a pid that is
 * another process in this namespace, and our pids lead to other processes.
 */
export function procIsOurs(): boolean {
  try {
    return readlinkSync('/proc/self') === `${native.getpid()}`;
  } catch {
    return false; // no /proc, or that of a namespace without this process
  }
}

/** Whether a path begins with the number of a process. */
const isNumbered = (path: string) => /^\d/.test(path);

/**
 * A file of /proc by its path there; undefined if it does not exist, is not readable, or belongs to
 * another PID namespace.
 */
export function procText(path: string): string | undefined {
  if (isNumbered(path) && !procIsOurs()) return undefined;
  try {
    return kernelText(`/proc/${path}`);
  } catch {
    return undefined;
  }
}

/** /proc/PID/stat. The name may contain spaces and parentheses. */
export interface ProcStat {
  /** The name; the kernel keeps 15 characters. */
  name: string;
  /** The fields from the third on: state, ppid, pgrp, session, tty_nr. */
  fields: string[];
}

export function procStat(pid: number | 'self'): ProcStat | undefined {
  const line = procText(`${pid}/stat`);
  if (line === undefined) return undefined;
  const end = line.lastIndexOf(')');
  return { name: line.slice(line.indexOf('(') + 1, end), fields: line.slice(end + 2).split(' ') };
}

/** The open files of a process; empty without /proc or if the process may not be inspected. */
export function procLinks(pid: number | 'self'): [fd: number, target: string][] {
  const folder = `${pid}/fd`;
  return procListing(folder).flatMap((fd) => {
    try {
      return [[Number(fd), readlinkSync(`/proc/${folder}/${fd}`)]];
    } catch {
      return []; // already closed, as the descriptor of the listing is
    }
  });
}

/** ENOENT: a chroot without /proc, hidepid=2 and 4. EPERM: hidepid=1 (proc_pid_permission() of fs/proc/base.c). */
const CLOSED = ['ENOENT', 'EACCES', 'EPERM'];

/**
 * A directory of /proc; empty without /proc, if this user may not read it, or if it belongs to
 * another PID namespace.
 */
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
 * The children of a process, including zombies, from /proc/PID/task/TID/children. For this process
 * the list is complete, because only this process reaps its children; for other processes see the
 * caveat in proc(5).
 *
 * @throws `ENOTSUP` if the pids belong to another PID namespace; the errors of open(2).
 */
export function procChildren(pid: number | 'self'): number[] {
  if (!procIsOurs()) {
    const detail = '/proc is missing, or belongs to another PID namespace';
    throw systemError(-constants.errno.ENOTSUP, 'open', { detail });
  }
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).flatMap((tid) =>
    kernelText(`${tasks}/${tid}/children`).split(' ').filter(Boolean).map(Number),
  );
}
