// The end of something that may be a promise.
import { isThenable } from '../base/validate.js';

/** Runs something, and tells when it has ended, or the promise that it returned, and how it failed. */
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
