// What a step needs to be true, found out before anything is done.
import { accessSync, closeSync, constants, fstatSync, realpathSync, statSync } from 'node:fs';
import { constants as os } from 'node:os';
import { native } from '../addon/native.js';
import { check, systemError } from '../base/errors.js';
import { expectForkSupport } from '../fork/fork.js';
import { heldByRival } from '../pidfile/pidfile.js';
import { pathInRoot } from '../posix/chroot.js';
import { getresgid, getresuid } from '../posix/credentials.js';
import { expectSafeFile, openOrExpectRoom, refuse } from '../posix/trusted-open.js';
import { procText } from '../system/procfs.js';
import type { Birth } from './birth.js';
import { expectedInheritance } from './handover.js';
import type { Plan } from './options.js';
import { descriptorsToPass, strategyOf } from './strategy.js';

const { EINVAL, ENOTDIR, ENOTSUP, EPERM, EWOULDBLOCK } = os.errno;

export function expectDirectory(path: string, syscall: string): void {
  if (!statSync(path).isDirectory()) throw systemError(-ENOTDIR, syscall, { path });
  accessSync(path, constants.X_OK);
}

/** The first process takes all others of its PID namespace with it when it exits: pid_namespaces(7). */
export function expectSurvival({ detach }: Plan): void {
  if (!detach || process.pid !== 1) return;
  const detail = 'process 1 cannot leave a daemon behind: all others end with it (detach: false)';
  throw systemError(-ENOTSUP, 'fork', { detail });
}

/** That there is a way to the daemon, if there is to be one. */
export function expectFork(plan: Plan): void {
  expectSurvival(plan);
  if (!plan.detach || strategyOf(plan) === 'reexec') return;
  expectForkSupport(plan);
}

/** Whether a pidfile could be made or taken over; what is in it stays. */
export function expectPidfile(path: string): void {
  // Before the call in a program that was started again: the launcher holds it for this process.
  if (expectedInheritance()?.pidfile?.path === path) return;
  const file = openOrExpectRoom(path, constants.O_RDWR);
  if (file === undefined) return;
  if (file === 'fifo') refuse(path, 'not a regular file', EINVAL);
  const { fd } = file;
  try {
    expectSafeFile(fstatSync(fd, { bigint: true }), path);
    const locked = native.flockExclusive(fd);
    if (locked === -EWOULDBLOCK) throw heldByRival(fd, path);
    check(locked, 'flock', { path });
  } finally {
    closeSync(fd); // and gives the lock back
  }
}

/** linux/capability.h. */
const CAPABILITIES = { setgid: 6, setuid: 7, sys_chroot: 18 } as const;

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
 * A directory that is open leads out of a chroot by `..`: fchdir(2), openat(2). FreeBSD's kernel
 * refuses too (kern.chroot_allow_open_directories). To close it here would have the script use a
 * number that is another file's by then. A launcher that starts the program again passes few on.
 */
export function expectNoDirectory({ plan, survey, strategy }: Birth): void {
  if (plan.chroot === undefined || survey === undefined) return;
  const allowed =
    plan.closeInherited && plan.detach ? [...plan.keep, ...survey.inherited] : plan.keep;
  const passesFew = strategy === 'reexec' && expectedInheritance() === undefined;
  const passed = passesFew ? descriptorsToPass(plan) : undefined;
  const open = survey.directories.filter(
    ({ fd }) => !allowed.includes(fd) && passed?.includes(fd) !== false,
  );
  if (open.length === 0) return;
  const root = realpathSync(plan.chroot);
  const outside = open.find(
    ({ target }) => target !== root && pathInRoot(target, root) === undefined,
  );
  if (outside === undefined) return;
  const { fd, target } = outside;
  const detail = `descriptor ${fd} leads out of it, to ${target} (close it, or keep: [${fd}])`;
  throw systemError(-EPERM, 'chroot', { path: plan.chroot, detail });
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
