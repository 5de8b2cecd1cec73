// Which step an error comes from.
import { asError, telling } from '../base/errors.js';
import { DaemonError, type DaemonStep } from './error.js';

/** Runs something such that its error tells the step. */
export function inStep<T>(step: DaemonStep, run: () => T): T {
  try {
    return run();
  } catch (thrown) {
    throw at(step, asError(thrown));
  }
}

function at(step: DaemonStep, error: Error): Error {
  if ('step' in error) return error;
  // What the hook throws is the script's own.
  return step === 'privileged' ? telling(error, { step }) : new DaemonError(step, error);
}
