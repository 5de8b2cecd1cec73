// npm run test:libc [-- TARGETS... [--forks N] [--nodes 20,24] [--parts stress,fork,...] [--files execve,...] [--refresh]]: the package's
// binary, and the tests that a C library has a part in, on other releases of glibc and on musl, with each Node line.
// Each target is a file tree of Debian's in namespaces of its own; nothing is left of it. Needs root and debootstrap.
import { spawnSync } from 'node:child_process';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cut } from './failures.js';
import { filesOf, type Kind, kinds } from './kinds.js';
import { muslNode } from './musl-nodes.js';
import { nodeLines, supportedLines } from './nodes.js';
import { optionsOf } from './options.js';
import { played } from './played.js';
import { debianRoot, type Inside, inside, needsRoots, PROJECT, programOf } from './roots.js';
import type { StressResult } from './stress-events.js';
import { builtFor } from './test-addons.js';

interface Target {
  suite: string;
  libc: 'glibc' | 'musl';
  forks: number;
  parts: readonly Part[];
}

type Part = 'stress' | Kind;
const all: readonly Part[] = ['stress', ...kinds];
const some = ['stress', 'fork', 'daemon', 'users', 'prefork'] as const;

const TARGETS: Record<string, Target> = {
  musl: { suite: 'trixie', libc: 'musl', forks: 2000, parts: all },
  'musl-old': { suite: 'bookworm', libc: 'musl', forks: 500, parts: some },
  bullseye: { suite: 'bullseye', libc: 'glibc', forks: 500, parts: some },
  bookworm: { suite: 'bookworm', libc: 'glibc', forks: 500, parts: some },
  trixie: { suite: 'trixie', libc: 'glibc', forks: 500, parts: some },
  sid: { suite: 'sid', libc: 'glibc', forks: 500, parts: some },
};

const usage = `test:libc -- [${Object.keys(TARGETS).join(' ')}] [--forks N] [--nodes ${supportedLines}]
  [--parts ${all}]
  [--files NAMES, of the tests of these parts: execve,fd] [--refresh]`;

interface Row {
  target: string;
  libc: string;
  node: string;
  forks: number;
  'forks failed': number;
  tests: number;
  'tests failed': number;
  skipped: number;
  minutes: number;
}

const failures: string[] = [];
const project = fileURLToPath(new URL('../../..', import.meta.url));
const there = (file: string) => join(PROJECT, relative(project, file));
// It ends a file that hangs, and finds what a test has left.
const SUITE = `${PROJECT}/dist/test/tools/suite.js`;

function parse() {
  if (needsRoots.skip) throw new Error(needsRoots.skip);
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      forks: { type: 'string' },
      nodes: { type: 'string', default: `${supportedLines}` },
      parts: { type: 'string' },
      files: { type: 'string' },
      refresh: { type: 'boolean', default: false },
    },
  });
  const names = positionals.length > 0 ? positionals : Object.keys(TARGETS);
  const parts = values.parts?.split(',') as Part[] | undefined;
  const unknown =
    names.find((name) => TARGETS[name] === undefined) ?? parts?.find((one) => !all.includes(one));
  if (unknown !== undefined) throw new Error(`neither a target nor a part: ${unknown}`);
  const forks = values.forks === undefined ? undefined : Number(values.forks);
  if (forks !== undefined && !(Number.isInteger(forks) && forks > 0)) {
    throw new Error(`--forks: not a number: ${values.forks}`);
  }
  const files = values.files?.split(',');
  const { nodes, refresh } = values;
  return { names, parts, files, forks, lines: nodes.split(','), refresh };
}

/** What a program prints in a root; both of its outputs. */
function said(where: Inside, ...command: string[]): string {
  const [program = '', ...args] = [...inside(where), ...command];
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return (stdout + stderr).trim();
}

function libcOf(where: Inside, libc: Target['libc']): string {
  if (libc === 'musl') {
    return `musl ${/Version (\S+)/.exec(said(where, '/lib/ld-musl-x86_64.so.1'))?.[1]}`;
  }
  const ask = 'process.report.getReport().header.glibcVersionRuntime';
  return `glibc ${said(where, programOf(where), '-p', ask)}`;
}

/** The stress under this root's Node; what went wrong, in a line for each kind of failure. */
function stressed(where: Inside, forks: number): { forks: number; failed: string[] } {
  const [program = '', ...args] = [
    ...inside(where),
    ...[programOf(where), `${PROJECT}/dist/test/tools/stress.js`, '--forks', `${forks}`, '--json'],
  ];
  const { stdout, status } = spawnSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 2 ** 28,
  });
  try {
    const { results } = JSON.parse(stdout) as { results: [StressResult] };
    const failed = results[0].failures.map(({ kind, detail }) => `${kind}: ${detail}`);
    if (status !== 0 && failed.length === 0) failed.push(`exit code ${status}`);
    return { forks: results[0].forks, failed };
  } catch {
    return { forks: 0, failed: [`no result, exit code ${status}`] };
  }
}

function runNode(
  name: string,
  where: Inside,
  forks: number,
  parts: readonly Part[],
  files?: string[],
): Row {
  const start = performance.now();
  const { libc } = TARGETS[name] as Target;
  const version = said(where, programOf(where), '-p', 'process.versions.node');
  const row: Row = {
    ...{ target: name, libc: libcOf(where, libc), node: version },
    ...{ forks: 0, 'forks failed': 0, tests: 0, 'tests failed': 0, skipped: 0, minutes: 0 },
  };
  console.log(`\n# ${name}: ${row.libc}, Node ${version}`);
  // Printed at once, so that a long run that is ended early has printed its findings.
  const failed = (part: string, what: string) => {
    failures.push(`${name}, Node ${version}, ${part}:\n${what}`);
    console.log(failures.at(-1));
  };
  for (const part of parts) {
    if (part === 'stress') {
      const result = stressed(where, forks);
      row.forks = result.forks;
      row['forks failed'] = result.failed.length;
      if (result.failed.length > 0) failed(part, cut(result.failed.join('\n'), 2000));
      continue;
    }
    const wanted = filesOf(part).filter(
      (file) => files?.includes(basename(file, '.test.js')) ?? true,
    );
    if (wanted.length === 0) continue;
    const result = played([...inside(where), programOf(where), SUITE], wanted.map(there));
    console.log(`${part}: ${result.pass} passed, ${result.fail} failed, ${result.skipped} skipped`);
    row.tests += result.pass + result.fail;
    row['tests failed'] += result.fail;
    row.skipped += result.skipped;
    if (result.failed !== '') failed(part, result.failed);
  }
  row.minutes = Math.round((performance.now() - start) / 6000) / 10;
  return row;
}

function runTarget(name: string, options: ReturnType<typeof parse>): Row[] {
  const target = TARGETS[name] as Target;
  const { suite, libc } = target;
  const musl = libc === 'musl';
  const root = debianRoot(suite, musl ? ['musl'] : [], options.refresh);
  const built = builtFor(`linux-x64-${libc}`);
  return options.lines.map((line) => {
    const [found] = musl ? [] : nodeLines([line], options);
    const node = found
      ? { folder: dirname(found.path), program: 'node' }
      : muslNode(line, options.refresh);
    const where = { root, ...built, node };
    const { forks = target.forks, parts = options.files ? kinds : target.parts, files } = options;
    return runNode(name, where, forks, parts, files);
  });
}

const options = optionsOf(parse, usage);
const rows: Row[] = [];
for (const name of options.names) {
  try {
    rows.push(...runTarget(name, options));
  } catch (error) {
    failures.push(`${name}: ${(error as Error).message}`);
  }
}
console.table(rows);
// Last, where it is found however long the log is.
for (const what of failures) console.log(what);
process.exitCode = failures.length > 0 || rows.length === 0 ? 1 : 0;
