// Handles the end of work that may be a promise.
import { isThenable } from '../base/validate.js';

/**
 * Runs a function, and calls back when it, or the promise that it returned, has ended or failed.
 */
export function whenSettled<T>(work: () => T, settled: (error?: unknown) => void): T {
  let result: T;
  try {
    result = work();
  } catch (error) {
    settled(error);
    throw error;
  }
  if (!isThenable(result)) {
    settled();
    return result;
  }
  const told = result.then(
    (value) => {
      settled();
      return value;
    },
    (error) => {
      settled(error);
      throw error;
    },
  );
  return told as T;
}
