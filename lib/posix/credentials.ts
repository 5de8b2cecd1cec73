// Users and groups: setgroups(2), setresuid(2), setresgid(2), getpwnam(3).

import { constants } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { expectSystem } from '../addon/host.js';
import { native } from '../addon/native.js';
import { check, invalidArgType, systemError, workerUnsupported } from '../base/errors.js';
import { elements, integer, path, UINT_MAX } from '../base/validate.js';
import { withAllThreads } from './threadids.js';

/** @internal The new ids; absent ones stay unchanged. */
export interface Credentials {
  uid?: number;
  gid?: number;
  /** The supplementary groups. */
  groups?: number[];
}

function found(result: number, syscall: string, what: string): number {
  if (result >= 0) return result;
  const detail = result === -constants.errno.ENOENT ? `no such ${what}` : undefined;
  throw systemError(result, syscall, detail === undefined ? {} : { detail });
}

function loginGroup(uid: number): number {
  return found(native.loginGroup(uid), 'getpwuid', `user: ${uid}, and no group is given`);
}

/**
 * @internal Looks up a user and a group. Call it while the user database is readable: a chroot has
 * another one, or none.
 *
 * @param user - a name or a uid. Without `group` the result has the user's login group too.
 * @param group - a name or a gid.
 * @throws `ENOENT` (syscall `getpwnam`, `getgrnam`) for an unknown name, (syscall `getpwuid`) for a
 *   uid without a login group, because the database does not know it.
 *
 * Source: getpwnam(3), getgrnam(3), POSIX.1; getgrouplist(3), 4.4BSD.
 */
export function lookUp(user?: string | number, group?: string | number): Credentials {
  const credentials: Credentials = {};
  if (typeof user === 'string') {
    credentials.uid = found(native.userByName(user), 'getpwnam', `user: ${user}`);
  } else if (user !== undefined) credentials.uid = user;

  if (typeof group === 'string') {
    credentials.gid = found(native.groupByName(group), 'getgrnam', `group: ${group}`);
  } else if (group !== undefined) credentials.gid = group;
  else if (credentials.uid !== undefined) credentials.gid = loginGroup(credentials.uid);

  const { uid, gid } = credentials;
  if (gid !== undefined) credentials.groups = uid === undefined ? [gid] : memberships(uid, gid);
  return credentials;
}

/** @internal A user's entry in the user database. */
export interface Account {
  name: string;
  /** The home directory. */
  home: string;
  /** The login shell. */
  shell: string;
}

/** @internal Looks up the account of a uid; undefined if the user database does not know it. */
export function account(uid: number): Account | undefined {
  const [result, name, home, shell] = native.userEntry(uid);
  if (result === -constants.errno.ENOENT) return undefined;
  check(result, 'getpwuid');
  return { name, home, shell };
}

function memberships(uid: number, gid: number): number[] {
  const groups = native.supplementaryGroups(uid, gid);
  found(groups[0] ?? gid, 'getgrouplist', 'user');
  return groups;
}

function sameSet(one: number[], other: number[]): boolean {
  return [...new Set(one)].sort().join() === [...new Set(other)].sort().join();
}

/**
 * @internal Whether the supplementary groups are already these, so that no call and no privilege is
 * needed.
 */
export function inGroups(groups: number[]): boolean {
  return sameSet(process.getgroups?.() ?? [], groups);
}

/** The real, the effective and the saved id. */
export interface Ids {
  /** The user or group to which the process belongs. */
  real: number;
  /** The id for permission checks. */
  effective: number;
  /** An id to which the process may switch back. */
  saved: number;
}

/** @internal Checks a user or group id. (uid_t)-1 is not an id. */
export function id(value: unknown, name: string, min = 0): number {
  return integer(value, name, min, UINT_MAX - 1);
}

/** @internal A user or group by name or id. */
export function nameOrId(value: unknown, name: string): string | number {
  if (typeof value === 'number') return id(value, name);
  if (typeof value !== 'string') throw invalidArgType(name, 'a name or an id', value);
  return path(value, name);
}

/** Calls libc's function, which changes all threads. Only the main thread may do this. */
function inAllThreads(name: string, needs: string, change: () => number): void {
  if (!isMainThread) throw workerUnsupported(`${name}()`);
  expectSystem(name);
  withAllThreads(() => check(change(), name, { needs }));
}

/**
 * Replaces the supplementary groups of all threads.
 *
 * @param groups - group ids, from 0 to 2^32-2; the array may be empty.
 * @throws `EPERM` (syscall `setgroups`) without CAP_SETGID, or in a user namespace that forbids it;
 *   `EINVAL` for more than NGROUPS_MAX (65,536 on Linux). `EAGAIN` (syscall `fork`) in a child of
 *   {@link fork} if a copied thread does not stop within ten seconds. `TypeError`, `RangeError` for
 *   anything except an array of ids, and in a Worker (`ERR_WORKER_UNSUPPORTED_OPERATION`).
 *
 * The effective group does not change. This also holds on FreeBSD before 15, whose setgroups(2)
 * replaces it by the first of the groups.
 *
 * Source: setgroups(2), 4.3BSD.
 */
export function setgroups(groups: readonly number[]): void {
  const ids = elements(groups, 'groups', id);
  inAllThreads('setgroups', 'CAP_SETGID', () => native.setgroups(ids));
}

/**
 * Replaces the supplementary groups of all threads by the user's groups in the group database and
 * `group`.
 *
 * @param user - a name or a uid. A uid without a name is in no group of the database.
 * @param group - a name or a gid to add, usually the user's login group.
 * @throws as {@link setgroups}, and `ENOENT` (syscall `getpwnam`, `getgrnam`) for an unknown name.
 *
 * Source: initgroups(3), SVr4 and 4.3BSD; getgrouplist(3). The same on Linux and FreeBSD.
 */
export function initgroups(user: string | number, group: string | number): void {
  nameOrId(user, 'user');
  nameOrId(group, 'group');
  if (!isMainThread) throw workerUnsupported('initgroups()');
  setgroups(lookUp(user, group).groups ?? []);
}

type Setter = (real: number, effective: number, saved: number) => number;

function setIds(
  syscall: string,
  set: Setter,
  ids: [unknown, unknown, unknown],
  needs: string,
): void {
  const names = ['real', 'effective', 'saved'];
  const [real, effective, saved] = ids.map((value, i) => id(value, names[i] as string, -1));
  inAllThreads(syscall, needs, () => set(real as number, effective as number, saved as number));
}

/**
 * Sets the real, the effective and the saved user id of all threads. (This is libc's function. The
 * kernel's call changes only one thread.)
 *
 * If the effective id changes from 0 to another, the process loses its capabilities, but it can
 * regain them until none of the three ids is 0: see {@link dropPrivileges}. The file system id
 * follows the effective id.
 *
 * @param real - a user id, from 0 to 2^32-2; -1 leaves it as it is.
 * @param effective - the same.
 * @param saved - the same.
 * @throws `EPERM` (syscall `setresuid`) without CAP_SETUID, unless each new id is one of the three
 *   present ids; `EAGAIN` (syscall `fork`) as {@link setgroups}. `TypeError`, `RangeError` for
 *   anything except an id, and in a Worker (`ERR_WORKER_UNSUPPORTED_OPERATION`).
 *
 * Source: setresuid(2), HP-UX, Linux, FreeBSD; POSIX.1-2024.
 */
export function setresuid(real: number, effective: number, saved: number): void {
  setIds('setresuid', native.setresuid, [real, effective, saved], 'CAP_SETUID');
}

/**
 * Sets the real, the effective and the saved group id of all threads. Capabilities do not change:
 * they depend on the user ids.
 *
 * @param real - a group id, from 0 to 2^32-2; -1 leaves it as it is.
 * @param effective - the same.
 * @param saved - the same.
 * @throws as {@link setresuid}, with syscall `setresgid` and CAP_SETGID.
 *
 * Source: setresgid(2), HP-UX, Linux, FreeBSD; POSIX.1-2024.
 */
export function setresgid(real: number, effective: number, saved: number): void {
  setIds('setresgid', native.setresgid, [real, effective, saved], 'CAP_SETGID');
}

/**
 * Returns the real, the effective and the saved user id.
 *
 * @returns the three.
 * @throws nothing.
 *
 * Source: getresuid(2), HP-UX, Linux, FreeBSD; POSIX.1-2024.
 */
export function getresuid(): Ids {
  const [real, effective, saved] = native.getresuid();
  return { real, effective, saved };
}

/**
 * Returns the real, the effective and the saved group id.
 *
 * @returns the three.
 * @throws nothing.
 *
 * Source: getresgid(2), HP-UX, Linux, FreeBSD; POSIX.1-2024.
 */
export function getresgid(): Ids {
  const [real, effective, saved] = native.getresgid();
  return { real, effective, saved };
}
