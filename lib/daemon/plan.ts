// What becomeDaemon() would do, and whether it could.

import { isMainThread } from 'node:worker_threads';
import { expectNode } from '../addon/host.js';
import { workerUnsupported } from '../base/errors.js';

import { type Birth, birthOf } from './birth.js';
import type { DaemonError, DaemonStep } from './error.js';
import { expectedInheritance } from './handover.js';
import { type DaemonOptions, type Plan, planOf } from './options.js';
import { inStep } from './run-steps.js';
import { STEPS, type Step } from './steps.js';
import { strategyOf } from './strategy.js';

/** What all steps of a plan have. */
interface Told {
  /** Its name, the one that errors have as their `step`. */
  step: DaemonStep;
  /** The steps of daemon(7), "SysV Daemons", that it fulfils, by their numbers; empty if it is daemonkit's own. */
  daemon7: readonly number[];
  /**
   * The process that takes it: the caller; its child, which only makes the session and exits; or the daemon,
   * which is the child's child.
   */
  process: 'launcher' | 'intermediate' | 'daemon';
  /** What it does, in words, with these options. */
  description: string;
  /** `met`, or the error that becomeDaemon() would throw. */
  precondition: 'met' | DaemonError;
}

/** A step that can be taken. */
export interface PlannedStepMet extends Told {
  precondition: 'met';
}

/** A step that would fail, with its error. */
export interface PlannedStepUnmet extends Told {
  precondition: DaemonError;
}

/** One of the steps that {@link becomeDaemon} would take; see {@link planDaemon}. */
export type PlannedStep = PlannedStepMet | PlannedStepUnmet;

function precondition({ name, check, probe }: Step, birth: Birth): PlannedStep['precondition'] {
  try {
    inStep(name, () => (probe ?? check)?.(birth));
    return 'met';
  } catch (error) {
    return error as DaemonError;
  }
}

/** A step that depends on what its own check could not find out. */
function untold({ name, unknown = 'what it does' }: Step, { message }: Error): string {
  const reason = /^\w+: (.*), \w+$/.exec(message)?.[1] ?? message;
  return `${name} (${unknown} unknown: ${reason})`;
}

/** If there is no way, the one that was asked for, which the precondition of `fork` tells of. */
function strategy(plan: Plan): 'fork' | 'reexec' {
  try {
    return strategyOf(plan);
  } catch {
    return plan.strategy === 'reexec' ? 'reexec' : 'fork';
  }
}

/** @internal Checks all steps, and leaves everything as it is. */
export function dryRun(birth: Birth): PlannedStep[] {
  // As in the call that is to come: who was started again was detached by its launcher.
  if (expectedInheritance() !== undefined) birth.plan.detach = true;
  birth.strategy = strategy(birth.plan);
  // All of them first: what one finds out is in the words of another.
  const preconditions = STEPS.map((step) => precondition(step, birth));
  return STEPS.flatMap((step, at) => {
    const found = preconditions[at] ?? 'met';
    const words = step.describe(birth.plan, birth);
    if (words === undefined && found === 'met') return [];
    return {
      step: step.name,
      daemon7: step.daemon7,
      process: step.process ?? 'daemon',
      description: words ?? untold(step, found as DaemonError),
      precondition: found,
    } as PlannedStep;
  });
}

/**
 * Returns what {@link becomeDaemon} would do with these options, and whether it could. All preconditions are checked
 * and none is thrown. The `privileged` hook is not called, no file is made or changed, and nothing stays open. An
 * existing pidfile is locked for a moment, to see whether a daemon holds it.
 *
 * @param options - as for becomeDaemon().
 * @returns the steps of these options, in their order, each with its numbers in daemon(7), what it does, and
 *   `precondition`: `met`, or the {@link DaemonError} that becomeDaemon() would throw.
 * @throws `TypeError`, `RangeError` for wrong options, and in a Worker (`ERR_WORKER_UNSUPPORTED_OPERATION`).
 *
 * Linux. Source: daemon(7), "SysV Daemons".
 */
export function planDaemon(options?: DaemonOptions): PlannedStep[] {
  const plan = planOf(options);
  if (!isMainThread) throw workerUnsupported('planDaemon()');
  expectNode('planDaemon()', 'fork');
  return dryRun(birthOf(plan));
}
