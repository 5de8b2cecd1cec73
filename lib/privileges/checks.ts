// Checks the preconditions of chroot and a change of user before anything happens.
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { constants as os } from 'node:os';
import { systemError } from '../base/errors.js';
import { pathInRoot } from '../posix/chroot.js';
import { getresgid, getresuid } from '../posix/credentials.js';
import { currentLimits, type LimitsPlan } from '../posix/rlimit.js';
import { procText } from '../system/procfs.js';

const { EINVAL, ENOTDIR, EPERM } = os.errno;

export function expectDirectory(path: string, syscall: string): void {
  if (!statSync(path).isDirectory()) throw systemError(-ENOTDIR, syscall, { path });
  accessSync(path, constants.X_OK);
}

/** linux/capability.h. */
const CAPABILITIES = { setgid: 6, setuid: 7, sys_chroot: 18, sys_resource: 24 } as const;

/** Whether the process has a capability. */
function capable(capability: keyof typeof CAPABILITIES): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(procText('self/status') ?? '')?.[1];
  if (effective === undefined) return process.geteuid?.() === 0;
  return ((BigInt(`0x${effective}`) >> BigInt(CAPABILITIES[capability])) & 1n) === 1n;
}

/** Checks the preconditions of chroot(2). */
export function expectChroot(path: string): void {
  expectDirectory(path, 'chroot');
  if (!capable('sys_chroot'))
    throw systemError(-EPERM, 'chroot', { path, needs: 'CAP_SYS_CHROOT' });
}

/**
 * Checks that no open directory leads out of a chroot by `..`: fchdir(2), openat(2). FreeBSD's
 * kernel refuses that too (kern.chroot_allow_open_directories). Closing the directory here would be
 * wrong: the script might use its number after another file has got it.
 */
export function expectClosed(
  path: string,
  directories: readonly { fd: number; target: string }[],
  remedy: (fd: number) => string = () => 'close it',
): void {
  if (directories.length === 0) return;
  const root = realpathSync(path);
  const outside = directories.find(
    ({ target }) => target !== root && pathInRoot(target, root) === undefined,
  );
  if (outside === undefined) return;
  const { fd, target } = outside;
  const detail = `descriptor ${fd} leads out of it, to ${target} (${remedy(fd)})`;
  throw systemError(-EPERM, 'chroot', { path, detail });
}

/** A user namespace has only the ids that it maps: user_namespaces(7). */
function expectMapped(map: 'uid_map' | 'gid_map', id: number, syscall: string): void {
  const lines = procText(`self/${map}`)?.trim().split('\n') ?? [];
  const ranges = lines.map((line) => line.trim().split(/\s+/).map(Number));
  const mapped = ranges.some(([first = 0, , count = 0]) => id >= first && id < first + count);
  if (lines.length === 0 || mapped) return;
  throw systemError(-EINVAL, syscall, { detail: `id ${id} does not exist in this user namespace` });
}

/** The capabilities for the whole change to another user with its groups, not only for one step. */
const ANOTHER = { needs: 'CAP_SETUID and CAP_SETGID' };

/** Checks the preconditions of setgroups(2), unless the groups are already set. */
export function expectGroups(groups: readonly number[]): void {
  // user_namespaces(7): a process that maps groups without privileges must not be able to leave a
  // group.
  const denied = procText('self/setgroups')?.startsWith('deny') === true;
  if (denied) {
    const detail = 'this user namespace forbids it (/proc/self/setgroups is deny)';
    throw systemError(-EPERM, 'setgroups', { detail });
  }
  if (!capable('setgid')) throw systemError(-EPERM, 'setgroups', ANOTHER);
  for (const gid of groups) expectMapped('gid_map', gid, 'setgroups');
}

/** Checks the preconditions of setresgid(2). */
export function expectGid(gid: number): void {
  if (Object.values(getresgid()).includes(gid)) return;
  if (!capable('setgid')) throw systemError(-EPERM, 'setresgid', ANOTHER);
  expectMapped('gid_map', gid, 'setresgid');
}

/** Checks the preconditions of setresuid(2). */
export function expectUid(uid: number): void {
  if (Object.values(getresuid()).includes(uid)) return;
  if (!capable('setuid')) throw systemError(-EPERM, 'setresuid', ANOTHER);
  expectMapped('uid_map', uid, 'setresuid');
}

/** Checks the preconditions of setrlimit(2). */
export function expectLimits({ number, soft, hard }: LimitsPlan): void {
  const [oldSoft, oldHard] = currentLimits(number);
  if ((soft ?? oldSoft) > (hard ?? oldHard)) throw systemError(-EINVAL, 'setrlimit');
  if ((hard ?? oldHard) <= oldHard || capable('sys_resource')) return;
  throw systemError(-EPERM, 'setrlimit', { needs: 'CAP_SYS_RESOURCE' });
}
