// The steps of a daemon in order. The order is data.
import { join } from 'node:path';
import { expectSync } from '../base/validate.js';
import { closeAll, survey, terminalDevices } from '../descriptors/list.js';
import { Pidfile } from '../pidfile/pidfile.js';
import { chroot } from '../posix/chroot.js';
import { inGroups, lookUp, setgroups, setresgid, setresuid } from '../posix/credentials.js';
import { resetSignals, signalMask } from '../posix/dispositions.js';
import {
  expectChroot,
  expectDirectory,
  expectGid,
  expectGroups,
  expectUid,
} from '../privileges/checks.js';
import { expectNoRootRing, forbidNewPrivileges, proveDropped } from '../privileges/drop.js';
import { whyAgain } from './again.js';
import type { Birth } from './birth.js';
import { expectFork, expectNoDirectory, expectPidfile, expectSurvival } from './checks.js';
import { expectNoDaemon } from './current.js';
import { cleanEnvironment, loginOf } from './environment.js';
import type { DaemonStep } from './error.js';
import { closeFiles, describeStdio, openFiles, probeFiles, redirectToFiles } from './files.js';
import type { Plan } from './options.js';
import {
  closeReadiness,
  describeSupervision,
  openSupervision,
  probeSupervision,
} from './supervision.js';

/**
 * Which of the three processes takes a step: the caller of becomeDaemon(), its child, which only
 * makes the session and exits, or that child's child.
 */
export type StepProcess = 'launcher' | 'intermediate' | 'daemon';

export interface Step {
  readonly name: DaemonStep;
  /** The steps 1 to 15 of daemon(7), "SysV Daemons", that it implements. */
  readonly daemon7: readonly number[];
  /** Default: the daemon. */
  readonly process?: StepProcess;
  /** Describes what the step does with these options; undefined if it does nothing. */
  describe(plan: Plan, birth: Birth): string | undefined;
  /** What describe() needs and check() looks up. */
  readonly unknown?: string;
  /** Runs in the launcher before the fork: finds problems while an error can still be thrown. */
  check?(birth: Birth): void;
  /** Replaces check() in a dry run if check() acquires something. It changes nothing. */
  probe?(birth: Birth): void;
  /** Releases what check() has acquired. */
  undo?(birth: Birth): void;
  /** Runs in the daemon. Steps without it are done by the launcher: launch.ts, daemon.ts. */
  run?(birth: Birth): void;
}

const octal = (mode: number) => `0${mode.toString(8).padStart(3, '0')}`;
const list = (numbers: readonly number[]) => numbers.join(', ');

const WHEN_READY: Readonly<Record<Plan['ready'], string>> = {
  auto: 'when the event loop has run one turn: ',
  evaluated: 'when the main module has been evaluated: ',
  detached: '',
  manual: 'when the script calls ready(): ',
};

/**
 * The steps. The order is that of daemon(7), except that its first four steps come late:
 * descriptors, signals and environment belong to the script until the daemon is made, the
 * `privileged` hook may need them, and until the last step an error must reach the launcher. The
 * redirection to /dev/null (9) comes after the change of user, so that earlier errors can still be
 * printed; the files are open since the check. Pidfile and hook come before the chroot and the
 * change of user, because they need root and the old root directory. Groups come before the user,
 * because the new user may not change them.
 *
 * Source: daemon(7), "SysV Daemons", steps 1 to 15.
 */
export const STEPS: readonly Step[] = [
  {
    name: 'fork',
    daemon7: [5],
    process: 'launcher',
    describe: (plan, { strategy }) => {
      if (!plan.detach) return undefined;
      const how = strategy === 'reexec' ? 'start the program again' : 'fork';
      const why = strategy === 'reexec' ? whyAgain(plan) : '';
      const chosen = `(strategy ${strategy}${why && `, because there is no live fork: ${why}`})`;
      return `${how}, and wait at most ${plan.timeout} ms until the daemon is ready ${chosen}`;
    },
    check: ({ plan }) => expectSurvival(plan),
    probe: ({ plan }) => {
      expectNoDaemon();
      expectFork(plan);
    },
  },
  {
    name: 'setsid',
    daemon7: [6],
    process: 'intermediate',
    describe: ({ detach }) => (detach ? 'make a session without a terminal' : undefined),
  },
  {
    name: 'fork',
    daemon7: [7, 8],
    process: 'intermediate',
    describe: ({ detach }, { strategy }) => {
      if (!detach) return undefined;
      const then = strategy === 'reexec' ? ', which runs the program from its beginning' : '';
      return `fork and exit, so that the daemon does not lead its session${then}`;
    },
    probe: ({ plan }) => expectFork(plan),
  },
  {
    name: 'umask',
    daemon7: [10],
    describe: ({ umask }) => `set the file mode creation mask to ${octal(umask)}`,
    run: ({ plan }) => void process.umask(plan.umask),
  },
  {
    name: 'chdir',
    daemon7: [11],
    describe: ({ chroot, cwd }) => `change the directory to ${chroot === undefined ? cwd : '/'}`,
    // With a chroot the directory is inside of it.
    check: ({ plan }) => {
      if (plan.chroot === undefined) expectDirectory(plan.cwd, 'chdir');
    },
    run: ({ plan }) => process.chdir(plan.chroot === undefined ? plan.cwd : '/'),
  },
  {
    name: 'pidfile',
    daemon7: [12],
    describe: ({ pidfile }) =>
      pidfile === undefined ? undefined : `lock ${pidfile} and write the pid to it`,
    check: (birth) => {
      const { pidfile } = birth.plan;
      // A program that was started again gets the pidfile from its launcher.
      if (pidfile !== undefined) birth.pidfile ??= Pidfile.open(pidfile);
    },
    probe: ({ plan }) => {
      if (plan.pidfile !== undefined) expectPidfile(plan.pidfile);
    },
    undo: ({ pidfile }) => void pidfile?.remove(),
    run: ({ pidfile }) => pidfile?.write(),
  },
  {
    name: 'privileged',
    daemon7: [],
    describe: ({ privileged }) =>
      privileged === undefined ? undefined : 'call the privileged hook',
    run: ({ plan }) => expectSync(plan.privileged?.(), 'options.privileged'),
  },
  {
    // Before the chroot: inside of it the socket has no path.
    name: 'notify',
    daemon7: [],
    describe: describeSupervision,
    check: openSupervision,
    probe: probeSupervision,
    undo: closeReadiness,
  },
  {
    // Before the chroot, because /proc is missing inside; after the hook, which is the last code of
    // the user.
    name: 'descriptors',
    daemon7: [],
    describe: () => 'list the open descriptors while /proc is available',
    check: (birth) => {
      birth.terminal = terminalDevices();
      birth.survey = survey(birth.terminal, birth.plan.keep);
    },
    run: (birth) => {
      birth.survey = survey(birth.terminal, birth.plan.keep);
    },
  },
  {
    name: 'chroot',
    daemon7: [],
    describe: ({ chroot, cwd }) =>
      chroot === undefined
        ? undefined
        : `change the root directory to ${chroot}, and the directory to ${cwd} in it`,
    check: (birth) => {
      const { plan } = birth;
      if (plan.chroot === undefined) return;
      expectChroot(plan.chroot);
      expectDirectory(join(plan.chroot, plan.cwd), 'chdir');
      expectNoDirectory(birth);
    },
    run: (birth) => {
      const { plan, pidfile } = birth;
      if (plan.chroot === undefined) return;
      expectNoDirectory(birth);
      chroot(plan.chroot);
      pidfile?.rootChanged(plan.chroot);
      process.chdir(plan.cwd);
    },
  },
  {
    name: 'setgroups',
    daemon7: [13],
    unknown: 'group list',
    describe: (_plan, { credentials: { groups } }) =>
      groups && `set the supplementary groups to ${list(groups)}`,
    check: (birth) => {
      birth.credentials = lookUp(birth.plan.user, birth.plan.group);
      const { groups } = birth.credentials;
      if (groups !== undefined && !inGroups(groups)) expectGroups(groups);
    },
    run: ({ credentials: { groups } }) =>
      groups !== undefined && !inGroups(groups) && setgroups(groups),
  },
  {
    name: 'setgid',
    daemon7: [13],
    describe: (_plan, { credentials: { gid } }) =>
      gid === undefined ? undefined : `change the real, effective and saved group to ${gid}`,
    check: ({ credentials: { gid } }) => gid !== undefined && expectGid(gid),
    run: ({ credentials: { gid } }) => gid !== undefined && setresgid(gid, gid, gid),
  },
  {
    name: 'setuid',
    daemon7: [13],
    describe: (_plan, { credentials: { uid } }) =>
      uid === undefined ? undefined : `change the real, effective and saved user to ${uid}`,
    check: ({ credentials: { uid } }) => uid !== undefined && expectUid(uid),
    run: ({ credentials: { uid } }) => uid !== undefined && setresuid(uid, uid, uid),
  },
  {
    name: 'drop',
    daemon7: [13],
    describe: (_plan, { credentials: { gid } }) =>
      gid === undefined ? undefined : 'prove that the old user and groups cannot be regained',
    check: ({ credentials, survey }) => expectNoRootRing(credentials, survey?.rings),
    run: ({ credentials, survey }) => {
      expectNoRootRing(credentials, survey?.rings);
      proveDropped(credentials);
    },
  },
  {
    name: 'noNewPrivileges',
    daemon7: [13],
    describe: ({ noNewPrivileges }) =>
      noNewPrivileges ? 'prevent started programs from gaining privileges' : undefined,
    run: ({ plan }) => plan.noNewPrivileges && forbidNewPrivileges(),
  },
  {
    name: 'stdio',
    daemon7: [9],
    describe: describeStdio,
    check: openFiles,
    probe: probeFiles,
    undo: closeFiles,
    run: redirectToFiles,
  },
  {
    name: 'inherited',
    daemon7: [1],
    describe: (plan, { survey }) => {
      if (!(plan.closeInherited && plan.detach)) return undefined;
      return survey?.inherited.length
        ? `close descriptors that the starter left open: ${list(survey.inherited)}`
        : 'close descriptors that the starter left open: none';
    },
    run: ({ plan, survey }) => {
      if (plan.closeInherited && plan.detach) closeAll(survey?.inherited ?? []);
    },
  },
  {
    name: 'signals',
    daemon7: [2, 3],
    describe: () => 'give ignored signals their default action, and block none',
    run: () => {
      // Handlers belong to the script, and stay.
      resetSignals({ handled: false });
      signalMask('set', []);
    },
  },
  {
    name: 'environment',
    daemon7: [4],
    describe: ({ env }) => (env === 'keep' ? undefined : 'clean the environment'),
    check: (birth) => {
      // A successor has that user already, but the environment of the user who started the first
      // process.
      birth.login = loginOf(birth.credentials.uid, birth.succeeds);
    },
    run: ({ plan, login }) => {
      if (plan.env !== 'keep') cleanEnvironment(plan.env, plan.detach, login);
    },
  },
  {
    name: 'ready',
    daemon7: [14, 15],
    describe: ({ ready, detach }) => {
      const what = detach ? 'let the launcher exit with 0' : 'report success';
      return `${WHEN_READY[ready]}${what}`;
    },
  },
];
