// What chroot and a change of user need to be true, found out before anything is done.
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

/** Whether the kernel would let the process do what the capability is for. */
function capable(capability: keyof typeof CAPABILITIES): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(procText('self/status') ?? '')?.[1];
  if (effective === undefined) return process.geteuid?.() === 0;
  return ((BigInt(`0x${effective}`) >> BigInt(CAPABILITIES[capability])) & 1n) === 1n;
}

/** What chroot(2) asks for. */
export function expectChroot(path: string): void {
  expectDirectory(path, 'chroot');
  if (!capable('sys_chroot'))
    throw systemError(-EPERM, 'chroot', { path, needs: 'CAP_SYS_CHROOT' });
}

/**
 * That no open directory leads out of a chroot by `..`: fchdir(2), openat(2). FreeBSD's kernel refuses
 * too (kern.chroot_allow_open_directories). To close it here would have the script use a number that is
 * another file's by then.
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

/** In a user namespace there are only the ids that it maps: user_namespaces(7). */
function expectMapped(map: 'uid_map' | 'gid_map', id: number, syscall: string): void {
  const lines = procText(`self/${map}`)?.trim().split('\n') ?? [];
  const ranges = lines.map((line) => line.trim().split(/\s+/).map(Number));
  const mapped = ranges.some(([first = 0, , count = 0]) => id >= first && id < first + count);
  if (lines.length === 0 || mapped) return;
  throw systemError(-EINVAL, syscall, { detail: `id ${id} does not exist in this user namespace` });
}

/** What it takes to become another user with its groups: not one step of it alone. */
const ANOTHER = { needs: 'CAP_SETUID and CAP_SETGID' };

/** What setgroups(2) asks for, unless the groups are these already. */
export function expectGroups(groups: readonly number[]): void {
  // user_namespaces(7): who may map groups without privileges must not be able to leave one.
  const denied = procText('self/setgroups')?.startsWith('deny') === true;
  if (denied) {
    const detail = 'this user namespace forbids it (/proc/self/setgroups is deny)';
    throw systemError(-EPERM, 'setgroups', { detail });
  }
  if (!capable('setgid')) throw systemError(-EPERM, 'setgroups', ANOTHER);
  for (const gid of groups) expectMapped('gid_map', gid, 'setgroups');
}

/** What setresgid(2) asks for. */
export function expectGid(gid: number): void {
  if (Object.values(getresgid()).includes(gid)) return;
  if (!capable('setgid')) throw systemError(-EPERM, 'setresgid', ANOTHER);
  expectMapped('gid_map', gid, 'setresgid');
}

/** What setresuid(2) asks for. */
export function expectUid(uid: number): void {
  if (Object.values(getresuid()).includes(uid)) return;
  if (!capable('setuid')) throw systemError(-EPERM, 'setresuid', ANOTHER);
  expectMapped('uid_map', uid, 'setresuid');
}

/** What setrlimit(2) asks for. */
export function expectLimits({ number, soft, hard }: LimitsPlan): void {
  const [oldSoft, oldHard] = currentLimits(number);
  if ((soft ?? oldSoft) > (hard ?? oldHard)) throw systemError(-EINVAL, 'setrlimit');
  if ((hard ?? oldHard) <= oldHard || capable('sys_resource')) return;
  throw systemError(-EPERM, 'setrlimit', { needs: 'CAP_SYS_RESOURCE' });
}
