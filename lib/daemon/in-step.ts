// Which step an error comes from.

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
