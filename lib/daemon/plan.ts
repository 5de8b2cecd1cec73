// What becomeDaemon() would do, and whether it could: `dryRun`.

import type { Birth } from './birth.js';
import { expectedInheritance } from './handover.js';
import type { Plan } from './options.js';
import { inStep } from './run-steps.js';
import { STEPS, type Step, type StepProcess } from './steps.js';
import { strategyOf } from './strategy.js';

/** One of the steps that {@link becomeDaemon} would take, told by `dryRun`. */
export interface PlannedStep {
  /** Its name, the one that errors have as their `step`. Both forks are named `fork`. */
  step: string;
  /** Which steps of daemon(7), "SysV Daemons", it fulfils, by their numbers; none if ours only. */
  daemon7: readonly number[];
  /** Who takes it: the process that called, its child, or the daemon, which is the child's child. */
  process: StepProcess;
  /** What it does, in words, with these options. */
  description: string;
  /**
   * `met`, or the error that becomeDaemon() would throw: with `step`, and `code`, `errno`, `syscall`
   * and `path` as far as they apply.
   */
  precondition: 'met' | Error;
}

function precondition({ name, check, probe }: Step, birth: Birth): 'met' | Error {
  try {
    inStep(name, () => (probe ?? check)?.(birth));
    return 'met';
  } catch (error) {
    return error as Error;
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

/** Checks all steps, and leaves everything as it is. */
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
      description: words ?? untold(step, found as Error),
      precondition: found,
    };
  });
}
