// The preconditions of the steps, checked before anything happens.
import { closeSync, constants, fstatSync } from 'node:fs';
import { constants as os } from 'node:os';
import { native } from '../addon/native.js';
import { check, systemError } from '../base/errors.js';
import { expectForkSupport } from '../fork/fork.js';
import { heldByRival } from '../pidfile/pidfile.js';
import { expectSafeFile, openOrExpectRoom, refuse } from '../posix/trusted-open.js';
import { expectClosed } from '../privileges/checks.js';
import { succession } from '../system/succession.js';
import type { Birth } from './birth.js';
import { expectedInheritance } from './handover.js';
import type { Plan } from './options.js';
import { descriptorsToPass, strategyOf } from './strategy.js';

const { EINVAL, ENOTSUP, EWOULDBLOCK } = os.errno;

/**
 * When the first process of a PID namespace exits, the kernel kills all others in it:
 * pid_namespaces(7).
 */
export function expectSurvival({ detach }: Plan): void {
  if (!detach || process.pid !== 1) return;
  const detail =
    'process 1 cannot leave a daemon behind: all other processes end with it (use detach: false)';
  throw systemError(-ENOTSUP, 'fork', { detail });
}

/** Checks that fork or re-exec is possible, if the process detaches. */
export function expectFork(plan: Plan): void {
  expectSurvival(plan);
  if (!plan.detach || strategyOf(plan) === 'reexec') return;
  expectForkSupport(plan);
}

/** Checks that the pidfile can be made or locked. Its content stays. */
export function expectPidfile(path: string): void {
  // In a program that was started again, before its call: the launcher holds the pidfile for this
  // process.
  if (expectedInheritance()?.pidfile?.path === path) return;
  if (succession.onTrial && succession.heritage?.pidfiles.some((one) => one.path === path)) return;
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
    closeSync(fd); // and releases the lock
  }
}

/** As expectClosed(). A launcher that starts the program again passes only a few descriptors on. */
export function expectNoDirectory({ plan, survey, strategy }: Birth): void {
  if (plan.chroot === undefined || survey === undefined) return;
  const allowed =
    plan.closeInherited && plan.detach ? [...plan.keep, ...survey.inherited] : plan.keep;
  const passesFew = strategy === 'reexec' && expectedInheritance() === undefined;
  const passed = passesFew ? descriptorsToPass(plan) : undefined;
  const open = survey.directories.filter(
    ({ fd }) => !allowed.includes(fd) && passed?.includes(fd) !== false,
  );
  expectClosed(plan.chroot, open, (fd) => `close it, or keep: [${fd}]`);
}
