// The limits after which a worker is replaced. Each worker has its own limits, so that not all are
// replaced at once.
import { integer, number } from '../../base/validate.js';
import type { PreforkOptions, RecycleReason } from '../options.js';

/** Infinity means no limit. */
export type Limits = Readonly<Record<RecycleReason, number>>;

export interface RecycleRules {
  readonly limits: Limits;
  /** The largest fraction by which a worker's limit is reduced. */
  readonly jitter: number;
}

const NONE = Number.POSITIVE_INFINITY;

function limit(value: unknown, name: string): number {
  if (value === undefined || value === NONE) return NONE;
  return integer(value, `options.${name}`, 1, Number.MAX_SAFE_INTEGER);
}

export function recycleRules(given: Partial<PreforkOptions>): RecycleRules {
  const limits = {
    maxRequests: limit(given.maxRequests, 'maxRequests'),
    maxAge: limit(given.maxAge, 'maxAge'),
    maxMemory: limit(given.maxMemory, 'maxMemory'),
  };
  const { recycleJitter = 0.1 } = given;
  return { limits, jitter: number(recycleJitter, 'options.recycleJitter', 0, 1) };
}

/** The limits of one worker. @param random - from 0 to below 1. */
export function limitsOf({ limits, jitter }: RecycleRules, random = Math.random): Limits {
  const less = (one: number) =>
    one === NONE ? NONE : Math.max(1, Math.round(one * (1 - jitter * random())));
  return {
    maxRequests: less(limits.maxRequests),
    maxAge: less(limits.maxAge),
    maxMemory: less(limits.maxMemory),
  };
}
