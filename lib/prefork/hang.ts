// How long a worker has not answered: only time in which it could have run counts.
import type { Progress } from '../system/usage.js';

/** A worker that has not been heard of since the look before. */
export interface Silent {
  /** Milliseconds to account for. */
  gap: number;
  before: Progress;
  now: Progress;
}

const RUNNABLE = 'R';

/** Stopped by a signal or a tracer; ended. */
const STILL = ['T', 't', 'Z', 'X'];

/**
 * The milliseconds that each of the silent could have run. One that is stopped could not. One that waits in
 * a call could, but for the time that it has waited for a processor. One that is about to run has had what
 * it ran: it may be starved. But workers in an endless loop starve one another. What one waits while others
 * of them run counts, by the part of the processors that these have.
 *
 * @param processors - how many there are to be had.
 */
export function couldHaveRun(silent: readonly Silent[], processors: number): number[] {
  const rans = silent.map(({ before, now }) => Math.max(0, now.ran - before.ran));
  const used = rans.reduce((sum, ran) => sum + ran, 0);
  return silent.map(({ gap, before, now }, at) => {
    if (STILL.includes(now.state) || gap <= 0) return 0;
    const waited = Math.min(gap, Math.max(0, now.waited - before.waited));
    const ran = Math.min(gap, rans[at] as number);
    const free = now.state === RUNNABLE ? ran : gap - waited;
    // The kernel books a wait when it is over: until then what it did not run is one.
    const lost = now.state === RUNNABLE ? gap - ran : waited;
    const theirs = (used - (rans[at] as number)) / Math.max(1, processors * gap - ran);
    return Math.min(gap, free + lost * Math.min(1, theirs));
  });
}
