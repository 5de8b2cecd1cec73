// V8 compiles a function when it is first called. A function that only forked processes call would be
// compiled again in each of them: that was a third of the processor time of a child of runInFork().
import { clock } from './alarm.js';

/** V8 discards the code of functions that have not run for some garbage collections. */
const AGAIN_MS = 60_000;

/**
 * Makes a function that runs the rehearsal, if it has not run for a minute. The rehearsal calls the
 * functions of a child in the parent, without any effect.
 *
 * An error in the rehearsal, for example of a program's getter, does not prevent the fork: the child
 * compiles the functions that were not reached.
 */
export function rehearsal(run: () => void): () => void {
  let last = Number.NEGATIVE_INFINITY;
  return () => {
    if (clock() - last < AGAIN_MS) return;
    last = clock();
    try {
      run();
    } catch {
      // See above.
    }
  };
}
