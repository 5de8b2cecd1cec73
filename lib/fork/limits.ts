// Known defects of a child of fork() that do not prevent the fork.
import { readFileSync } from 'node:fs';

/**
 * Options of Node and V8 that write a file whose name is made, or which is opened, when the process
 * starts. No interface changes it later. Files that get their name when they are written contain
 * the child's pid: coverage (NODE_V8_COVERAGE), reports, heap snapshots.
 */
const ONE_FILE: readonly (readonly [option: RegExp, words: string])[] = [
  [
    /^--cpu-prof$/,
    'parent and child write one CPU profile: the last to end overwrites it (--cpu-prof)',
  ],
  [
    /^--heap-prof$/,
    'parent and child write one heap profile: the last to end overwrites it (--heap-prof)',
  ],
  [
    /^--trace-event(s-enabled$|-categories)/,
    "parent and child overwrite each other's data in one trace file (--trace-event-categories)",
  ],
  [/^--(prof|log-(?!colors).*|logfile.*)$/, 'parent and child write to the same V8 log (--prof)'],
  [
    /^--(perf-basic-prof|perf-prof|perf-basic-prof-only-functions)/,
    "the child's new functions are in the parent's perf map, or in none (--perf-basic-prof)",
  ],
];

/** NODE_OPTIONS may contain quotes. */
const unquoted = (option: string) => option.replaceAll('"', '');

/** The options in a configuration file (experimental, Node 23.10 and later). */
function fromFile(given: readonly string[]): string[] {
  let path: string | undefined;
  given.forEach((option) => {
    if (option === '--experimental-default-config-file') path = 'node.config.json';
    path = /^--(?:experimental-)?config-file=(.*)/.exec(option)?.[1] ?? path;
  });
  if (path === undefined) return [];
  try {
    const { nodeOptions = {} } = JSON.parse(readFileSync(path, 'utf8'));
    return Object.keys(nodeOptions).flatMap((name) => (nodeOptions[name] ? [`--${name}`] : []));
  } catch {
    return []; // not readable any more, so its options are unknown
  }
}

/** The options of this Node process, from command line, environment and file, in one spelling. */
function nodeOptions(): string[] {
  const given = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)];
  const all = given.map(unquoted);
  return [...all, ...fromFile(all)].map((option) => option.replaceAll('_', '-'));
}

// Read now, because the program may change directory and environment later.
const given = nodeOptions();

/**
 * Whether tracing is active. createTracing() or a debugger may start it at any time. Not available
 * in a Worker.
 */
function traces(): boolean {
  try {
    const events = process.getBuiltinModule('node:trace_events');
    return events.getEnabledCategories() !== undefined;
  } catch {
    return false;
  }
}

/** The limits as text; usually none. */
export function forkLimits(): string[] {
  const all = traces() ? [...given, '--trace-events-enabled'] : given;
  const met = ONE_FILE.filter(([option]) => all.some((one) => option.test(one)));
  return met.map(([, words]) => words);
}
