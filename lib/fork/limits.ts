// What will not be as it should in a child of fork(), and is no reason against one.

/**
 * Options of Node and V8 that have them write a file whose name was made, or which was opened, when the
 * process started: no interface changes it. Files that are named when they are written have the child's
 * pid: coverage (NODE_V8_COVERAGE), reports, heap snapshots.
 */
const ONE_FILE: readonly (readonly [option: RegExp, words: string])[] = [
  [/^--cpu-prof$/, 'parent and child write one CPU profile: the one that ends last (--cpu-prof)'],
  [
    /^--heap-prof$/,
    'parent and child write one heap profile: the one that ends last (--heap-prof)',
  ],
  [
    /^--trace-event(s-enabled$|-categories)/,
    'parent and child write into one trace file, each over the other (--trace-event-categories)',
  ],
  [
    /^--(prof|log-(?!colors).*|logfile.*)$/,
    'parent and child write into one log of V8, which does not tell them apart (--prof)',
  ],
  [
    /^--(perf-basic-prof|perf-prof|perf-basic-prof-only-functions)/,
    "the child's new functions are in the parent's perf map, or in none (--perf-basic-prof)",
  ],
];

/** The options that Node was started with, in the environment too, in one spelling. */
function nodeOptions(): string[] {
  const all = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)];
  return all.map((option) => option.replaceAll('_', '-'));
}

/** In words; none as a rule. */
export function forkLimits(): string[] {
  const given = nodeOptions();
  const met = ONE_FILE.filter(([option]) => given.some((one) => option.test(one)));
  return met.map(([, words]) => words);
}
