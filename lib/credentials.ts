// Users and groups: whom a daemon becomes, and the proof that it is nobody else any more.
import { constants } from 'node:os';
import { systemError } from './errors.js';
import { native } from './native.js';

/** Whom to become; what is absent stays as it is. */
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
 * Looks a user and a group up, while the user database can still be read: a chroot has its own, or
 * none.
 *
 * @param user - a name or a uid. Without `group` its login group is taken too.
 * @param group - a name or a gid.
 * @throws `ENOENT` (syscall `getpwnam`, `getgrnam`) for an unknown name, (syscall `getpwuid`) for a
 *   uid that has no login group because the database does not know it.
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

function memberships(uid: number, gid: number): number[] {
  const groups = native.supplementaryGroups(uid, gid);
  found(groups[0] ?? gid, 'getgrouplist', 'user');
  return groups;
}

function sameSet(one: number[], other: number[]): boolean {
  return [...new Set(one)].sort().join() === [...new Set(other)].sort().join();
}

/** setgroups(2), unless the groups are these already: that needs no privilege. */
export function setGroups(groups: number[]): void {
  if (!sameSet(process.getgroups?.() ?? [], groups)) process.setgroups?.(groups);
}

/** Node's calls, because they reach all threads, as POSIX wants it and the kernel does not do it. */
export function setGid(gid: number): void {
  if (process.getgid?.() !== gid || process.getegid?.() !== gid) process.setgid?.(gid);
}

export function setUid(uid: number): void {
  if (process.getuid?.() !== uid || process.geteuid?.() !== uid) process.setuid?.(uid);
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
