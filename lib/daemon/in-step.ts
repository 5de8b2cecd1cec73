// Which step an error comes from.
import { asError, telling } from '../base/errors.js';

/** Runs something such that its error tells the step. */
export function inStep<T>(name: string, run: () => T): T {
  try {
    return run();
  } catch (thrown) {
    const error = asError(thrown);
    throw 'step' in error ? error : telling(error, { step: name });
  }
}
