// From root to somebody else, for good: and the proof that there is no way back.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import {
  type Credentials,
  getresgid,
  getresuid,
  type Ids,
  lookUp,
  nameOrId,
  setGroups,
  setgroups,
  setresgid,
  setresuid,
} from './credentials.js';
import { check, invalidArgValue, workerUnsupported } from './errors.js';
import { native } from './native.js';
import { options } from './validate.js';

/** Whom {@link dropPrivileges} shall become. */
export interface DropOptions {
  /** A name or a uid; not root. */
  user: string | number;
  /** A name or a gid. Default: the user's login group. */
  group?: string | number;
}

/**
 * Makes sure that the process is who it shall be, and tries to become root again.
 *
 * @throws an Error with code `ERR_PRIVILEGES_KEPT` if any of it succeeds.
 */
export function proveDropped({ uid, gid, groups }: Credentials): void {
  expectIds('user', uid, [process.getuid?.(), process.geteuid?.()]);
  expectIds('group', gid, [process.getgid?.(), process.getegid?.()]);
  const have = process.getgroups?.() ?? [];
  // getgroups(2) may or may not list the effective group as well.
  const surplus = groups && have.filter((id) => id !== gid && !groups.includes(id));
  if (surplus?.length) throw kept(`still in group ${surplus.join(', ')}`);
  if (uid === undefined || uid === 0) return;
  refuse('setuid(0)', () => process.setuid?.(0));
  refuse('seteuid(0)', () => process.seteuid?.(0));
  if (gid === 0 || groups?.includes(0)) return;
  refuse('setgid(0)', () => process.setgid?.(0));
  refuse('setegid(0)', () => process.setegid?.(0));
}

function kept(what: string): Error {
  const error = new Error(`privileges are not dropped: ${what}`);
  return Object.assign(error, { code: 'ERR_PRIVILEGES_KEPT' });
}

function expectIds(kind: string, wanted: number | undefined, ids: (number | undefined)[]): void {
  const wrong = wanted === undefined ? undefined : ids.find((id) => id !== wanted);
  if (wrong !== undefined) throw kept(`the ${kind} id is ${wrong}, not ${wanted}`);
}

function refuse(what: string, attempt: () => void): void {
  try {
    attempt();
  } catch {
    return;
  }
  throw kept(`${what} succeeds`);
}

function expectAll(kind: string, wanted: number, { real, effective, saved }: Ids): void {
  expectIds(kind, wanted, [real, effective, saved]);
}

/** A directory of /proc, or nothing in a chroot without it, or one that is closed to the new user. */
function listing(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    if (['ENOENT', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}

/** What a ring's kernel thread does, it does as whoever made the ring: CVE-2024-22017. */
function expectNoRootRing(): void {
  for (const fd of listing('/proc/self/fd')) {
    try {
      if (readlinkSync(`/proc/self/fd/${fd}`) !== 'anon_inode:[io_uring]') continue;
      const thread = /^SqThread:\s*(-?\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'));
      if (Number(thread?.[1] ?? -1) === -1) continue;
    } catch {
      continue; // the descriptor of the listing, closed by now
    }
    throw kept(`io_uring ring ${fd} would go on as root (UV_USE_IO_URING=1)`);
  }
}

/** Nothing if the thread has ended since it was listed: Node has some that live for a moment. */
function threadStatus(tid: string): string | undefined {
  try {
    return readFileSync(`/proc/self/task/${tid}/status`, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** All threads in the kernel's words; libc has changed them one by one. */
function expectThreads(uid: number, gid: number): void {
  for (const tid of listing('/proc/self/task')) {
    const status = threadStatus(tid);
    if (status === undefined) continue;
    const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';
    const ids = (name: string) => field(name).split('\t').map(Number);
    expectIds('user', uid, ids('Uid'));
    expectIds('group', gid, ids('Gid'));
    for (const name of ['CapPrm', 'CapEff', 'CapAmb']) {
      if (/[1-9a-f]/.test(field(name))) throw kept(`thread ${tid} has capabilities (${name})`);
    }
  }
}

function proveGone(credentials: Required<Credentials>): void {
  const { uid, gid } = credentials;
  expectAll('user', uid, getresuid());
  expectAll('group', gid, getresgid());
  if (check(native.hasCapabilities(), 'capget') !== 0) throw kept('capabilities are left');
  expectThreads(uid, gid);
  proveDropped(credentials);
  refuse('setresuid(-1, 0, -1)', () => setresuid(-1, 0, -1));
  refuse('setgroups([0])', () => setgroups([0]));
  if (gid !== 0) refuse('setresgid(-1, 0, -1)', () => setresgid(-1, 0, -1));
}

/**
 * Becomes another user for good: supplementary groups, then group, then user; real, effective and
 * saved ids; all threads. Then proves it: looks at the ids and the capabilities of every thread, and
 * tries to become root again, which must fail.
 *
 * What was opened before stays open: sockets on ports below 1024, logs, and whatever else only root
 * could open. After it the process cannot be traced by its new user nor leaves core files
 * (PR_SET_DUMPABLE), and the signal of {@link setParentDeathSignal} is forgotten.
 *
 * @param opts - see {@link DropOptions}. In a chroot without /etc/passwd give ids, and the group too.
 * @throws `EPERM` (syscall `setgroups`, `setresgid`, `setresuid`) without CAP_SETGID and CAP_SETUID,
 *   unless the process is that user already; `ENOENT` (syscall `getpwnam`, `getgrnam`) for an unknown
 *   name, (`getpwuid`) for a uid without a login group. An Error with code `ERR_PRIVILEGES_KEPT` if
 *   anything is left, or (before anything is changed) if an io_uring ring would go on as root.
 *   `TypeError`, `RangeError` for wrong options, user root too, and in a Worker
 *   (`ERR_WORKER_UNSUPPORTED_OPERATION`). After `EPERM` and `ERR_PRIVILEGES_KEPT` the process may be
 *   half of the one and half of the other: end it.
 *
 * Without /proc, as in a chroot, only the calling thread is looked at; the others have been changed
 * by libc, which ends the process where that fails.
 *
 * Source: setgroups(2), setresgid(2), setresuid(2), capabilities(7); "Setuid Demystified" (Chen,
 * Wagner, Dean, 2002).
 */
export function dropPrivileges(opts: DropOptions): void {
  const { user, group } = options<DropOptions>(opts, ['user', 'group']);
  nameOrId(user, 'options.user');
  if (group !== undefined) nameOrId(group, 'options.group');
  if (!isMainThread) throw workerUnsupported('dropPrivileges()');
  const credentials = lookUp(user, group) as Required<Credentials>;
  const { uid, gid, groups } = credentials;
  if (uid === 0) throw invalidArgValue('options.user', user, 'is root');
  expectNoRootRing();
  setGroups(groups);
  setresgid(gid, gid, gid);
  setresuid(uid, uid, uid);
  proveGone(credentials);
}
