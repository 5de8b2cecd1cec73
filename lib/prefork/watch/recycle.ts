// When a worker has served long enough: each has limits of its own, such that not all go at once.
import { integer, number } from '../../base/validate.js';
import type { PreforkOptions, RecycleReason } from '../options.js';

/** Infinity is none. */
export type Limits = Readonly<Record<RecycleReason, number>>;

export interface RecycleRules {
  readonly limits: Limits;
  /** The part of a limit that a worker may have less. */
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

/** Those of one worker. @param random - from 0 to below 1. */
export function limitsOf({ limits, jitter }: RecycleRules, random = Math.random): Limits {
  const less = (one: number) =>
    one === NONE ? NONE : Math.max(1, Math.round(one * (1 - jitter * random())));
  return {
    maxRequests: less(limits.maxRequests),
    maxAge: less(limits.maxAge),
    maxMemory: less(limits.maxMemory),
  };
}
