// Tests of Node's suite that must differ in a forked process, each with the reason.
import type { SuiteKind } from './node-suite-run.js';

export interface Expected {
  /** Folder and name without what comes after the dot. */
  test: RegExp;
  /** Of these kinds; all if absent. */
  kinds?: readonly SuiteKind[];
  reason: string;
}

export const mustDiffer: readonly Expected[] = [
  {
    test: /^parallel\/test-inspector-contexts\./,
    reason: "the inspector named the main context when Node started, with the parent's pid",
  },
  {
    test: /^parallel\/test-dns-resolveany\./,
    kinds: ['mid-test'],
    reason:
      "a query under way stays the parent's; the child asks again, and its server counts both",
  },
];
