// What the stress run's programs say to each other, and what comes of it.
import type { Conversation } from './stress-peers.js';

/** What may be left out of the load. */
export const allParts = ['lookups', 'waits', 'wire', 'debugger'] as const;
export type Part = (typeof allParts)[number];

/** What stress-parent is asked to do. */
export interface ParentOptions {
  forks: number;
  seed: number;
  /** Seconds after which a child or the parent is taken for hanging. */
  patience: number;
  parts: readonly Part[];
  /** Of the other end of the addon's connection. */
  port: number;
}

/** What the parent has begun and what it has got, over the whole run. */
export interface Counts {
  lookups: { begun: number; ended: number };
  /** Of the addon's threads; `latest`: the longest that a wait took too long, in milliseconds. */
  threads: {
    received: number;
    missing: number;
    waits: number;
    latest: number;
    faults: Record<string, number>;
  };
}

/** The lines of JSON that stress-parent writes to descriptor 3. */
export type StressEvent =
  | { event: 'fork'; pid: number; job: string; end: string; context: string; ms: number }
  | { event: 'end'; pid: number; exitCode: number | null; signal: string | null }
  | { event: 'refused'; message: string; context: string }
  | { event: 'harm'; what: string }
  | { event: 'loss'; pid: number; what: string }
  | { event: 'debugger'; url: string }
  | { event: 'finish' }
  | ({ event: 'counts' } & Counts)
  | { event: 'done' };

export const failureClasses = [
  'crash',
  'hang',
  'wrong exit',
  'refused',
  'loss in child',
  'loss in parent',
  'parent harmed',
  'parent crash',
  'parent hang',
] as const;
export type FailureClass = (typeof failureClasses)[number];

export interface StressResult {
  line: string;
  version: string;
  forks: number;
  failures: { kind: FailureClass; detail: string }[];
  /** Milliseconds that fork() took in the parent. */
  pause: { p50: number; p99: number; max: number };
  forksPerSecond: number;
  counts: Counts & { messages: Conversation; debugger: Conversation };
  /** The longest that this program, which does next to nothing, was held up, in milliseconds. */
  stoodStill: number;
  /** Dumps, cores and stderr; kept only if there is a failure. */
  folder: string;
}
