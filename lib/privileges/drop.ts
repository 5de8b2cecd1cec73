// Drops root privileges permanently, and proves that they cannot be regained.
import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { native } from '../addon/native.js';
import { check, invalidArgValue, workerUnsupported } from '../base/errors.js';
import { options } from '../base/validate.js';
import {
  type Credentials,
  getresgid,
  getresuid,
  inGroups,
  lookUp,
  nameOrId,
  setgroups,
  setresgid,
  setresuid,
} from '../posix/credentials.js';
import { procLinks, procListing, procText } from '../system/procfs.js';

/** Options of {@link dropPrivileges}. */
export interface DropOptions {
  /** The user: a name or a uid, not root. */
  user: string | number;
  /** The group: a name or a gid. Default: the user's login group. */
  group?: string | number | undefined;
}

function kept(what: string): Error {
  const error = new Error(`privileges are not dropped: ${what}`);
  return Object.assign(error, { code: 'ERR_PRIVILEGES_KEPT' });
}

function expectIds(kind: string, wanted: number | undefined, ids: readonly number[]): void {
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

/** @internal The open io_uring rings; none if there is no /proc. */
export function openRings(): number[] {
  return procLinks('self').flatMap(([fd, to]) => (to === 'anon_inode:[io_uring]' ? fd : []));
}

/**
 * Whether a ring has a kernel thread, which acts with the ids of the process that made the ring.
 */
function keepsCredentials(ring: number): boolean {
  return /^SqThread:\s*\d/m.test(procText(`self/fdinfo/${ring}`) ?? '');
}

/**
 * @internal Throws if such a ring would keep acting as root: CVE-2024-22017.
 *
 * @param rings - the descriptors of the process's rings.
 */
export function expectNoRootRing(credentials: Credentials, rings: readonly number[] = []): void {
  if (credentials.gid === undefined) return;
  const ring = rings.find(keepsCredentials);
  if (ring === undefined) return;
  throw kept(`io_uring ring ${ring} would keep running as root (UV_USE_IO_URING=1)`);
}

/** Undefined if the thread has ended since it was listed: Node has short-lived threads. */
function threadStatus(tid: string): string | undefined {
  try {
    return readFileSync(`/proc/self/task/${tid}/status`, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

/** Checks the ids of all threads in /proc, because libc changes them one by one. */
function expectThreads(uid: number, gid: number | undefined): void {
  for (const tid of procListing('self/task')) {
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

/**
 * Calls that must fail after root has been dropped; with true, those that must fail if root's group
 * was dropped too.
 */
const WAYS_BACK: readonly [group: boolean, what: string, attempt: () => void][] = [
  [false, 'setuid(0)', () => process.setuid?.(0)],
  [false, 'seteuid(0)', () => process.seteuid?.(0)],
  [false, 'setresuid(-1, 0, -1)', () => setresuid(-1, 0, -1)],
  [false, 'setgroups([0])', () => setgroups([0])],
  [true, 'setgid(0)', () => process.setgid?.(0)],
  [true, 'setegid(0)', () => process.setegid?.(0)],
  [true, 'setresgid(-1, 0, -1)', () => setresgid(-1, 0, -1)],
];

/**
 * @internal Checks that all threads in /proc have the intended ids and no capabilities, and that
 * every attempt to regain root fails. Credentials that are absent stay unchanged and are not
 * checked.
 *
 * @throws an Error with code `ERR_PRIVILEGES_KEPT`.
 */
export function proveDropped({ uid, gid, groups }: Credentials): void {
  expectIds('user', uid, Object.values(getresuid()));
  expectIds('group', gid, Object.values(getresgid()));
  const have = process.getgroups?.() ?? [];
  // getgroups(2) may also list the effective group.
  const surplus = groups && have.filter((id) => id !== gid && !groups.includes(id));
  if (surplus?.length) throw kept(`still in group ${surplus.join(', ')}`);
  if (uid === undefined || uid === 0) return;
  if (check(native.hasCapabilities(), 'capget') !== 0) throw kept('capabilities are left');
  expectThreads(uid, gid);
  const rootsGroup = gid === 0 || groups?.includes(0) === true;
  for (const [group, what, attempt] of WAYS_BACK) {
    if (!(group && rootsGroup)) refuse(what, attempt);
  }
}

/**
 * @internal Prevents programs that are started later from gaining privileges: set-user-ID and
 * set-group-ID bits and file capabilities have no effect (no_new_privs), and inheritable
 * capabilities are removed. This applies to the main thread, which starts the programs, and to
 * threads and processes that it makes later.
 */
export function forbidNewPrivileges(): void {
  check(native.setNoNewPrivileges(10_000), 'prctl');
}

/**
 * Changes to another user permanently: supplementary groups, then group, then user; real, effective
 * and saved ids; in all threads. Then proves the change: checks the ids and capabilities of every
 * thread, and tries to become root again, which must fail.
 *
 * Files that were opened before stay open: sockets on ports below 1024, logs, and others that only
 * root could open. Afterwards the new user cannot trace the process, and it leaves no core files
 * (PR_SET_DUMPABLE). The signal of {@link setParentDeathSignal} is cleared.
 *
 * @param opts - see {@link DropOptions}. In a chroot without /etc/passwd, give numeric ids, and the
 *   group too.
 * @throws `EPERM` (syscall `setgroups`, `setresgid`, `setresuid`) without CAP_SETGID and
 *   CAP_SETUID, unless the process already is that user; `ENOENT` (syscall `getpwnam`, `getgrnam`)
 *   for an unknown name, (`getpwuid`) for a uid without a login group. An Error with code
 *   `ERR_PRIVILEGES_KEPT` if a privilege is left, or (before any change) if an io_uring ring would
 *   keep running as root. `TypeError`, `RangeError` for wrong options, for the user root, and in a
 *   Worker (`ERR_WORKER_UNSUPPORTED_OPERATION`). After `EPERM` and `ERR_PRIVILEGES_KEPT` the change
 *   may be incomplete: end the process.
 *
 * Without /proc, for example in a chroot, only the calling thread is checked. libc has changed the
 * others, and ends the process if that fails.
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
  if (uid === 0) throw invalidArgValue('options.user', user, 'must not be root');
  expectNoRootRing(credentials, openRings());
  if (!inGroups(groups)) setgroups(groups);
  setresgid(gid, gid, gid);
  setresuid(uid, uid, uid);
  proveDropped(credentials);
}
