// Adds the step to an error.
import { asError, telling } from '../base/errors.js';
import { DaemonError, type DaemonStep } from './error.js';

/** Runs a function and adds the step to its error. */
export function inStep<T>(step: DaemonStep, run: () => T): T {
  try {
    return run();
  } catch (thrown) {
    throw at(step, asError(thrown));
  }
}

function at(step: DaemonStep, error: Error): Error {
  if ('step' in error) return error;
  // An error of the hook belongs to the script.
  return step === 'privileged' ? telling(error, { step }) : new DaemonError(step, error);
}
