// Takes the steps, or takes them back.
import type { Birth } from './birth.js';
import { occupyStandard } from './files.js';
import { STEPS } from './steps.js';

/** Runs one phase of all steps; an error gets the name of its step. */
export function runSteps(phase: 'check' | 'run', birth: Birth): void {
  for (const step of STEPS) {
    inStep(step.name, () => step[phase]?.(birth));
  }
}

/** Runs the checks of all steps, which may open files. */
export function runChecks(birth: Birth): void {
  inStep('stdio', () => occupyStandard(birth));
  runSteps('check', birth);
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
