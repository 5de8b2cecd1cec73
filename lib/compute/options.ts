// The options of runInFork() and mapInForks(), checked before anything happens.
import { abortSignal, boolean, integer, options } from '../base/validate.js';
import { type LimitsPlan, limitsPlans, type NewLimits, type Resource } from '../posix/rlimit.js';

/** Options of {@link runInFork}. */
export interface RunInForkOptions {
  /** Ends the run when it aborts: the child is killed, or is never forked. Default: none. */
  signal?: AbortSignal | undefined;
  /**
   * How long the child may run, in milliseconds from its fork. After that it is killed. Default: no
   * limit.
   */
  timeout?: number | undefined;
  /**
   * The child's nice value, from -20 to 19. A value below the parent's needs a privilege. Default:
   * the parent's.
   */
  nice?: number | undefined;
  /** Resource limits of the child by name, as {@link setrlimit} takes them: `{ CPU: { soft: 10 } }`. Default: none. */
  limits?: { [name in Resource]?: NewLimits | undefined } | undefined;
  /**
   * Fork although `Worker` threads are running. Copies of them continue in the child, in the middle
   * of their work. Default: false, and the run is refused.
   */
  workers?: boolean | undefined;
}

/** Options of {@link mapInForks}. Those of {@link RunInForkOptions} apply to each child. */
export interface MapInForksOptions extends RunInForkOptions {
  /** How many children run at a time. Default: the number of available processors. */
  concurrency?: number | undefined;
  /** How many items each child handles, one after the other. Default: 1. */
  chunk?: number | undefined;
}

/** @internal */
export interface Plan {
  signal: AbortSignal | undefined;
  timeout: number | undefined;
  nice: number | undefined;
  limits: readonly LimitsPlan[];
  workers: boolean;
}

const RUN = ['signal', 'timeout', 'nice', 'limits', 'workers'] as const;

/** @internal */
export const MOST_CHILDREN = 4096;

const given = <T>(value: unknown, check: (value: unknown) => T) =>
  value === undefined ? undefined : check(value);

function planOf(options: Partial<RunInForkOptions>): Plan {
  const { signal, timeout, nice, limits = {}, workers = false } = options;
  return {
    signal: given(signal, (value) => abortSignal(value)),
    timeout: given(timeout, (value) => integer(value, 'options.timeout', 1)),
    nice: given(nice, (value) => integer(value, 'options.nice', -20, 19)),
    limits: limitsPlans(limits, 'options.limits'),
    workers: boolean(workers, 'options.workers'),
  };
}

/** @internal */
export function runPlan(value: unknown): Plan {
  return planOf(options<RunInForkOptions>(value, RUN));
}

/** @internal */
export function mapPlan(value: unknown, processors: number) {
  const known = [...RUN, 'concurrency', 'chunk'] as const;
  const told = options<MapInForksOptions>(value, known);
  const { concurrency = processors, chunk = 1 } = told;
  return {
    ...planOf(told),
    concurrency: integer(concurrency, 'options.concurrency', 1, MOST_CHILDREN),
    chunk: integer(chunk, 'options.chunk', 1),
  };
}
