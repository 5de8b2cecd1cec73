// The steps from a copy of the launcher to a daemon, in their order: product order is data here.
import { accessSync, constants, statSync } from 'node:fs';
import { constants as os } from 'node:os';
import { join } from 'node:path';
import { chroot } from '../chroot.js';
import { lookUp, setGid, setGroups, setUid } from '../credentials.js';
import { closeAll, survey, terminalDevices } from '../descriptors.js';
import { resetSignals, signalMask } from '../dispositions.js';
import { systemError } from '../errors.js';
import { Pidfile } from '../pidfile.js';
import { proveDropped } from '../privileges.js';
import type { Birth } from './birth.js';
import { closeFiles, openFiles, redirectToFiles } from './files.js';

export interface Step {
  readonly name: string;
  /** In the launcher, before it forks: finds what can go wrong while an error can be thrown. */
  check?(birth: Birth): void;
  /** Gives back what check() has taken. */
  undo?(birth: Birth): void;
  /** In the daemon. */
  run(birth: Birth): void;
}

function expectDirectory(path: string, syscall: string): void {
  if (!statSync(path).isDirectory()) throw systemError(-os.errno.ENOTDIR, syscall, { path });
  accessSync(path, constants.X_OK);
}

/**
 * The steps. Before them the launcher forks, its child makes a new session and forks again
 * (launch.ts); after them the daemon is ready, unless it says that itself.
 *
 * Source: daemon(7), "SysV Daemons", steps 1 to 15.
 */
export const STEPS: readonly Step[] = [
  {
    name: 'umask',
    run: ({ plan }) => void process.umask(plan.umask),
  },
  {
    name: 'chdir',
    // With a chroot the directory is one inside of it.
    check: ({ plan }) => {
      if (plan.chroot === undefined) expectDirectory(plan.cwd, 'chdir');
    },
    run: ({ plan }) => process.chdir(plan.chroot === undefined ? plan.cwd : '/'),
  },
  {
    name: 'pidfile',
    check: (birth) => {
      const { pidFile } = birth.plan;
      // A program that was started again has it from its launcher.
      if (pidFile !== undefined) birth.pidfile ??= Pidfile.open(pidFile);
    },
    undo: ({ pidfile }) => void pidfile?.remove(),
    run: ({ pidfile }) => pidfile?.write(),
  },
  {
    name: 'privileged',
    run: ({ plan }) => plan.privileged?.(),
  },
  {
    // Before the chroot, in which there is no /proc; after the hook, the last of the user's code.
    name: 'descriptors',
    check: (birth) => {
      birth.terminal = terminalDevices();
    },
    run: (birth) => {
      birth.survey = survey(birth.terminal, birth.plan.keep);
    },
  },
  {
    name: 'chroot',
    check: ({ plan }) => {
      if (plan.chroot === undefined) return;
      expectDirectory(plan.chroot, 'chroot');
      expectDirectory(join(plan.chroot, plan.cwd), 'chdir');
    },
    run: ({ plan, pidfile }) => {
      if (plan.chroot === undefined) return;
      chroot(plan.chroot);
      pidfile?.rootChanged(plan.chroot);
      process.chdir(plan.cwd);
    },
  },
  {
    name: 'setgroups',
    check: (birth) => {
      birth.credentials = lookUp(birth.plan.user, birth.plan.group);
    },
    run: ({ credentials: { groups } }) => groups && setGroups(groups),
  },
  {
    name: 'setgid',
    run: ({ credentials: { gid } }) => gid !== undefined && setGid(gid),
  },
  {
    name: 'setuid',
    run: ({ credentials: { uid } }) => uid !== undefined && setUid(uid),
  },
  {
    name: 'drop',
    run: ({ credentials }) => proveDropped(credentials),
  },
  {
    name: 'stdio',
    check: openFiles,
    undo: closeFiles,
    run: redirectToFiles,
  },
  {
    name: 'inherited',
    run: ({ plan, survey }) => {
      if (plan.closeInherited && plan.detach) closeAll(survey?.inherited ?? []);
    },
  },
  {
    name: 'signals',
    run: () => {
      // Handlers are the script's, and stay.
      resetSignals({ handled: false });
      signalMask('set', []);
    },
  },
];

/** Runs one phase of all steps; an error gets the name of its step. */
export function runSteps(phase: 'check' | 'run', birth: Birth): void {
  for (const step of STEPS) {
    inStep(step.name, () => step[phase]?.(birth));
  }
}

/** Gives everything back that the checks have taken, the last first. */
export function undoSteps(birth: Birth): void {
  for (const step of STEPS.toReversed()) step.undo?.(birth);
}

/** Runs something such that its error tells the step. */
export function inStep<T>(name: string, run: () => T): T {
  try {
    return run();
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    if (!('step' in error)) Object.assign(error, { step: name });
    throw error;
  }
}
