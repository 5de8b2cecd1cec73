// Limits, root directory and user that a process gives up before it serves. Each step has a check
// that its parent can run before the fork.
import { absolutePath } from '../base/absolute.js';
import { asError, telling } from '../base/errors.js';
import { boolean, path } from '../base/validate.js';
import { survey } from '../descriptors/list.js';
import { chroot } from '../posix/chroot.js';
import {
  type Credentials,
  inGroups,
  lookUp,
  nameOrId,
  setgroups,
  setresgid,
  setresuid,
} from '../posix/credentials.js';
import {
  type LimitsPlan,
  limitsPlans,
  type NewLimits,
  type Resource,
  setLimits,
} from '../posix/rlimit.js';
import {
  expectChroot,
  expectClosed,
  expectGid,
  expectGroups,
  expectLimits,
  expectUid,
} from './checks.js';
import { expectNoRootRing, forbidNewPrivileges, openRings, proveDropped } from './drop.js';

/** The privileges that a process can give up. */
export interface ConfinementOptions {
  /** The user to change to: name or uid, with its groups. Default: unchanged. */
  user?: string | number | undefined;
  /** The group to change to: name or gid. Default: the login group of `user`, or unchanged. */
  group?: string | number | undefined;
  /** The root directory, and the working directory. Default: unchanged. */
  chroot?: string | undefined;
  /**
   * Started programs gain no privileges by a set-user-ID bit or file capabilities (no_new_privs,
   * for all threads). Default: false.
   */
  noNewPrivileges?: boolean | undefined;
  /** Resource limits by name, as {@link setrlimit} takes them: `{ NOFILE: { soft: 1024 } }`. Default: none. */
  rlimits?: { [name in Resource]?: NewLimits | undefined } | undefined;
}

/** @internal */
export interface Confinement {
  limits: readonly LimitsPlan[];
  noNewPrivileges: boolean;
  root: string | undefined;
  credentials: Credentials;
}

type StepName =
  | 'rlimits'
  | 'noNewPrivileges'
  | 'chroot'
  | 'setgroups'
  | 'setgid'
  | 'setuid'
  | 'drop';

interface Step {
  name: StepName;
  check?(plan: Confinement): void;
  run(plan: Confinement): void;
}

function expectNoDirectory(root: string): void {
  expectClosed(root, survey(new Set(), []).directories);
}

/**
 * The order has reasons. Raising limits may need root. no_new_privs is set for all threads while
 * /proc lists them, and does not affect the later steps. Groups come before the user, because the
 * new user may not change them.
 */
const STEPS: readonly Step[] = [
  {
    name: 'rlimits',
    check: ({ limits }) => limits.forEach(expectLimits),
    run: ({ limits }) => limits.forEach(setLimits),
  },
  {
    name: 'noNewPrivileges',
    run: ({ noNewPrivileges }) => noNewPrivileges && forbidNewPrivileges(),
  },
  {
    name: 'chroot',
    check: ({ root }) => {
      if (root === undefined) return;
      expectChroot(root);
      expectNoDirectory(root);
    },
    run: ({ root, credentials }) => {
      // Checks the rings too, which /proc lists.
      if (credentials.gid !== undefined) expectNoRootRing(credentials, openRings());
      if (root === undefined) return;
      expectNoDirectory(root);
      chroot(root);
    },
  },
  {
    name: 'setgroups',
    check: ({ credentials: { groups } }) => groups && !inGroups(groups) && expectGroups(groups),
    run: ({ credentials: { groups } }) => groups && !inGroups(groups) && setgroups(groups),
  },
  {
    name: 'setgid',
    check: ({ credentials: { gid } }) => gid !== undefined && expectGid(gid),
    run: ({ credentials: { gid } }) => gid !== undefined && setresgid(gid, gid, gid),
  },
  {
    name: 'setuid',
    check: ({ credentials: { uid } }) => uid !== undefined && expectUid(uid),
    run: ({ credentials: { uid } }) => uid !== undefined && setresuid(uid, uid, uid),
  },
  {
    name: 'drop',
    run: ({ credentials }) => proveDropped(credentials),
  },
];

function inStep(name: string, act: () => void): void {
  try {
    act();
  } catch (thrown) {
    throw telling(asError(thrown), { step: name });
  }
}

/**
 * @internal Checks the options of {@link ConfinementOptions} and adds the defaults. Makes no system
 * call except getcwd(2).
 */
export function confinementOptions(given: ConfinementOptions, name: string) {
  const { user, group, chroot, noNewPrivileges = false, rlimits = {} } = given;
  if (user !== undefined) nameOrId(user, `${name}.user`);
  if (group !== undefined) nameOrId(group, `${name}.group`);
  return {
    user,
    group,
    root: chroot === undefined ? undefined : absolutePath(path(chroot, `${name}.chroot`)),
    noNewPrivileges: boolean(noNewPrivileges, `${name}.noNewPrivileges`),
    limits: limitsPlans(rlimits, `${name}.rlimits`),
  };
}

/**
 * @internal Looks up user and group, and checks that a fork of this process can take all steps.
 *
 * @returns undefined if there is nothing to do.
 * @throws an error with the `step`.
 */
export function planConfinement(
  given: ReturnType<typeof confinementOptions>,
): Confinement | undefined {
  const { user, group, root, noNewPrivileges, limits } = given;
  const plan: Confinement = { limits, noNewPrivileges, root, credentials: {} };
  inStep('setgroups', () => {
    plan.credentials = lookUp(user, group);
  });
  for (const { name, check } of STEPS) inStep(name, () => check?.(plan));
  const idle = user === undefined && group === undefined && root === undefined;
  return idle && limits.length === 0 && !noNewPrivileges ? undefined : plan;
}

/**
 * @internal Takes the steps. After an error the change may be incomplete, so the process must end.
 *
 * @throws an error with the `step` that failed.
 */
export function confine(plan: Confinement): void {
  for (const { name, run } of STEPS) inStep(name, () => run(plan));
}
