// Lists what becomeDaemon() would do, and checks whether it can.

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

/** The common properties of all steps of a plan. */
interface Told {
  /** The step's name, which errors have as their `step`. */
  step: DaemonStep;
  /**
   * The numbers of the steps in daemon(7), "SysV Daemons", that this step implements; empty for
   * daemonkit's own steps.
   */
  daemon7: readonly number[];
  /**
   * The process that takes the step: the caller; its child, which only makes the session and exits;
   * or the daemon, which is the child's child.
   */
  process: 'launcher' | 'intermediate' | 'daemon';
  /** What the step does with these options, as text. */
  description: string;
  /** `met`, or the error that becomeDaemon() would throw. */
  precondition: 'met' | DaemonError;
}

/** A step whose precondition is met. */
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

/** Describes a step whose check failed before its details were known. */
function untold({ name, unknown = 'what it does' }: Step, { message }: Error): string {
  const reason = /^\w+: (.*), \w+$/.exec(message)?.[1] ?? message;
  return `${name} (${unknown} unknown: ${reason})`;
}

/**
 * If no way is possible, the one that the options ask for. The precondition of `fork` has the
 * error.
 */
function strategy(plan: Plan): 'fork' | 'reexec' {
  try {
    return strategyOf(plan);
  } catch {
    return plan.strategy === 'reexec' ? 'reexec' : 'fork';
  }
}

/** @internal Checks all steps and changes nothing. */
export function dryRun(birth: Birth): PlannedStep[] {
  // As the later call will do: a program that was started again was detached by its launcher.
  if (expectedInheritance() !== undefined) birth.plan.detach = true;
  birth.strategy = strategy(birth.plan);
  // All checks first: the description of one step contains what another check has found.
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
 * Returns the steps that {@link becomeDaemon} would take with these options, and checks whether
 * each is possible. It checks all preconditions and throws none of their errors. It does not call
 * the `privileged` hook, makes or changes no file, and leaves nothing open. It locks an existing
 * pidfile for a moment, to see whether a daemon holds it.
 *
 * @param options - as for becomeDaemon().
 * @returns the steps in order, each with its numbers in daemon(7), a description, and
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
