// npm run test:asan [-- FILES...]: the tests on an addon built with AddressSanitizer and UBSan, and the
// C++ without Node under both, ThreadSanitizer and valgrind. A report of any of them is a failure, and
// so is a test that fails or does not end.

import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { buildAll, buildPrograms, makeReports, reports, root, run } from './asan-build.js';
import { tail, whatFailed } from './failures.js';
import { marked } from './marked.js';
import { killIfThere } from './proc.js';

const tests = join(root, 'dist', 'test');
/** What a file may take, in milliseconds: the longest needs a minute of two idle processors. */
const LIMIT = 300_000;

/** What is not run here, and why. */
const UNFIT: Record<string, { tests?: string; reason: string }> = {
  'fd.test.js': {
    tests: 'the highest descriptor is reached',
    reason: 'expects of a trace by strace(1) what a plain Node does, and nothing between',
  },
  'fork-memory.test.js': { reason: 'measures memory, of which ASan keeps what was freed' },
  'fork-refuse.test.js': {
    tests: 'without /proc .from the start',
    reason: 'ASan complains on standard error that it does not know its program',
  },
  'fork-starved.test.js': { reason: 'limits the address space, and ASan needs 20 TB of it' },
  'package.test.js': { reason: 'runs the addon of a package that it makes' },
  'sweep.test.js': { reason: 'runs test files that do not end, and gives them seconds' },
};

interface Row {
  what: string;
  result: string;
  seconds: number;
  reports: number;
  /** What failed, in its own words. */
  failed?: string;
}

/** Kills what a run that had to be stopped has left: it may have daemons. */
function sweep(mark: string): void {
  for (let left = marked(mark); left.length > 0; left = marked(mark)) {
    for (const pid of left) {
      killIfThere(pid);
    }
  }
}

/** Runs a command to its end or its limit, which is also that of what holds its pipes open. */
function bounded(file: string, args: string[], env: NodeJS.ProcessEnv) {
  const mark = randomUUID();
  const start = performance.now();
  const outcome = run(file, args, { ...env, DAEMONKIT_ASAN: mark }, LIMIT);
  sweep(`DAEMONKIT_ASAN=${mark}`);
  const seconds = Math.round((performance.now() - start) / 1000);
  const good = outcome.status === 0 && outcome.error === undefined;
  const { code } = (outcome.error ?? {}) as NodeJS.ErrnoException;
  return { ...outcome, seconds, good, end: code ?? outcome.signal ?? outcome.status };
}

/** Collects the reports of the sanitizers, and prints them. */
function takeReports(): number {
  const found = readdirSync(reports);
  for (const name of found) console.log(readFileSync(join(reports, name), 'utf8'));
  rmSync(reports, { recursive: true, force: true });
  makeReports();
  return found.length;
}

/** Node's option for all tests but these. */
function leaveOut(titles: string | undefined): string[] {
  if (titles === undefined) return [];
  const option = '--test-skip-pattern';
  if (process.allowedNodeEnvironmentFlags.has(option)) return [`${option}=/${titles}/`];
  // Node 20 runs a test if the name of one that it is within matches: the outermost is "<root>".
  return [`--test-name-pattern=/^(?!<root>|.*${titles})/`];
}

function testFile(file: string, node: string, env: NodeJS.ProcessEnv): Row {
  const name = basename(file);
  const pattern = leaveOut(UNFIT[name]?.tests);
  const args = ['--test', '--test-reporter=tap', ...pattern, file];
  const { good, end, seconds, stdout } = bounded(node, args, env);
  const found = takeReports();
  const count = (what: string) => stdout.match(new RegExp(`^# ${what} (\\d+)`, 'm'))?.[1] ?? '?';
  const result = good ? `ok, ${count('pass')}` : `${count('fail')} failed (${end})`;
  return {
    what: name,
    result,
    seconds,
    reports: found,
    ...(!good && { failed: whatFailed(stdout) }),
  };
}

function program(what: string, file: string, args: string[], env: NodeJS.ProcessEnv = {}): Row {
  const { good, end, seconds, status, stdout, stderr } = bounded(file, args, env);
  // valgrind's exit code is the program's own where it has found nothing.
  const report =
    status === 86 || status === 66 || /ERROR: \w+Sanitizer|runtime error:/.test(stderr);
  const result = good ? 'ok' : `failed (${end})`;
  const failed = good ? {} : { failed: `${whatFailed(stdout)}${tail(stderr)}` };
  return { what, result, seconds, reports: Number(report), ...failed };
}

/** cpp/sys and cpp/fork as programs; what each cannot do is in docs/sanitizers.md. */
async function programs(): Promise<Row[]> {
  const { selftest, asan, ubsan, tsan, plain } = await buildPrograms();
  const options = { ASAN_OPTIONS: 'detect_leaks=0:use_sigaltstack=0:exitcode=86' };
  // A thread goes from its temporary stack to its own: less than this far, and memcheck takes the
  // one for a part of the other, that was just made or given up.
  const memcheck = ['-q', '--error-exitcode=86', '--fair-sched=yes', '--max-stackframe=100000'];
  memcheck.push(`--suppressions=${join(root, 'test', 'native', 'fork', 'valgrind.supp')}`);
  return [
    program('cpp/sys, ASan and UBSan', selftest, [], options),
    program('cpp/fork units, ASan and UBSan', asan, ['units'], options),
    program('cpp/fork, 40 forks, ASan and UBSan', asan, ['40', 'steady'], options),
    program('cpp/fork, 40 forks, UBSan', ubsan, ['40']),
    program('cpp/fork units, TSan', tsan, ['units']),
    program('cpp/fork units, valgrind', 'valgrind', [...memcheck, plain, 'units']),
    program('cpp/fork, 20 forks, valgrind', 'valgrind', [...memcheck, plain, '20']),
  ];
}

function filesToRun(): string[] {
  const asked = process.argv.slice(2);
  if (asked.length > 0) return asked.map((name) => resolve(name));
  const unfit = (name: string) => UNFIT[name] !== undefined && UNFIT[name].tests === undefined;
  return ['', 'peers'].flatMap((sub) =>
    readdirSync(join(tests, sub))
      .filter((name) => name.endsWith('.test.js') && !unfit(name))
      .map((name) => join(tests, sub, name)),
  );
}

rmSync(reports, { recursive: true, force: true });
makeReports();
const { node, env } = buildAll();
const rows = await programs();
const show = ({ failed: _, ...row }: Row) => Object.values(row).join('  ');
for (const row of rows) console.log(show(row));
for (const file of filesToRun()) {
  const row = testFile(file, node, env);
  rows.push(row);
  console.log(show(row));
}
console.table(rows.map(({ failed: _, ...row }) => row));
for (const [file, { tests: some, reason }] of Object.entries(UNFIT)) {
  console.log(`not run: ${file}${some === undefined ? '' : `, '${some}'`}: ${reason}`);
}
// Last, where it is found however long the log is.
for (const { what, failed } of rows)
  if (failed !== undefined) console.log(`${what} failed: ${failed}`);
process.exitCode = rows.every(({ result, reports: n }) => /^ok/.test(result) && n === 0) ? 0 : 1;
