// npm run test:asan [-- FILES...]: the tests on an addon built with AddressSanitizer and UBSan, and the
// C++ without Node under both, ThreadSanitizer and valgrind. A report of any of them is a failure.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildHost, machines } from './fork-host.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const tests = join(root, 'dist', 'test');
const folder = join(root, 'build', 'asan');
const reports = join(folder, 'reports');
const sanitize = '-fsanitize=address,undefined';

/** What cannot pass here, and why: no finding of the sanitizers is among it. */
const UNFIT: Record<string, string> = {
  'cli.test.js': 'a test does not end; not looked into',
  'credentials.test.js': 'in a chroot without /proc the process stands still; not looked into',
  'daemon-privileges.test.js': 'a program with capabilities gets no LD_PRELOAD',
  'dispositions.test.js':
    'resetSignals() meets the handlers of SIGBUS and SIGFPE that ASan installs',
  'example.test.js': 'the server does not end; not looked into',
  'fd.test.js': 'a trace of strace(1) expects the calls of a plain start',
  'fork-again.test.js': '50 generations in a row stood still at the 22nd; not looked into',
  'fork-memory.test.js': 'measures memory, of which ASan uses its own',
  'fork-refuse.test.js': 'without /proc ASan does not read its options, and looks for leaks',
  'fork-speed.test.js': 'measures time',
  'fork-starved.test.js': 'limits the address space, and ASan needs terabytes of it',
  'fork-state.test.js': 'a test of the parent id fails; not looked into',
  'fork-twins.test.js': 'a timerfd has counted what it should not; not looked into',
  'process.test.js': 'a child has used more memory than it should: that of ASan',
  'prebuild.test.js': 'loads other builds of the addon',
  'package.test.js': 'loads other builds of the addon',
};

function run(file: string, args: string[], env: NodeJS.ProcessEnv = {}, timeout = 600_000) {
  return spawnSync(file, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout,
    killSignal: 'SIGKILL',
    maxBuffer: 2 ** 28,
  });
}

function must(file: string, args: string[], env: NodeJS.ProcessEnv = {}): void {
  const { status, stderr } = run(file, args, env);
  if (status !== 0) throw new Error(`${file} ${args.join(' ')}: ${status}\n${stderr}`);
}

/** A build folder of its own: the flags come by the environment, as make's rules of gyp take them. */
function buildAddon(): void {
  const sources = join(folder, 'cpp');
  cpSync(join(root, 'cpp'), sources, {
    recursive: true,
    preserveTimestamps: true,
    filter: (name) => name !== join(root, 'cpp', 'build'),
  });
  const flags = `${sanitize} -fno-omit-frame-pointer -g`;
  must('npx', ['node-gyp', 'configure', 'build', '-C', sources], {
    CFLAGS: flags,
    CXXFLAGS: flags,
    LDFLAGS: sanitize,
  });
  const place = join(folder, 'prebuilds', `${process.platform}-${process.arch}`);
  const built = join(sources, 'build', 'Release', 'daemonkit.node');
  const { stdout } = run('nm', ['-D', built]);
  if (!/__asan_report/.test(stdout)) throw new Error(`${built} is not instrumented`);
  mkdirSync(place, { recursive: true });
  cpSync(built, join(place, 'daemonkit.glibc.node'));
}

function environment(): NodeJS.ProcessEnv {
  const library = (name: string) => run('gcc', [`-print-file-name=${name}`]).stdout.trim();
  return {
    LD_PRELOAD: `${library('libasan.so')} ${library('libubsan.so')}`,
    // Node leaks on exit; V8 has a SIGSEGV handler for WebAssembly; an alternate stack, or frames on
    // the heap, would be one more thing that a rebuilt thread has.
    ASAN_OPTIONS: [
      ...['detect_leaks=0', 'handle_segv=0', 'allow_user_segv_handler=1', 'use_sigaltstack=0'],
      ...['detect_stack_use_after_return=0', 'exitcode=86', `log_path=${reports}/asan`],
    ].join(':'),
    UBSAN_OPTIONS: `print_stacktrace=1:halt_on_error=1:exitcode=86:log_path=${reports}/ubsan`,
    // node-gyp-build looks here, and only here.
    PREBUILDS_ONLY: '1',
    DAEMONKIT_PREBUILD: folder,
    NODE_EXTRA_CA_CERTS: undefined,
  };
}

interface Row {
  what: string;
  result: string;
  reports: number;
}

function testFile(file: string, env: NodeJS.ProcessEnv): Row {
  const args = ['--test', '--test-reporter=tap', file];
  const { status, stdout } = run(process.execPath, args, env, 300_000);
  const found = readdirSync(reports);
  for (const name of found) console.log(readFileSync(join(reports, name), 'utf8'));
  rmSync(reports, { recursive: true, force: true });
  makeReports();
  const count = (name: string) => stdout.match(new RegExp(`^# ${name} (\\d+)`, 'm'))?.[1] ?? '?';
  const result = status === 0 ? `ok, ${count('pass')}` : `${count('fail')} failed (${status})`;
  if (status !== 0) console.log(stdout);
  return { what: basename(file), result, reports: found.length };
}

/** Processes that have given up root report there too. */
function makeReports(): void {
  mkdirSync(reports, { recursive: true });
  chmodSync(reports, 0o1777);
}

function program(what: string, file: string, args: string[], env: NodeJS.ProcessEnv = {}): Row {
  const { status, stdout, stderr } = run(file, args, env);
  // valgrind's exit code is the program's own where it has found nothing.
  const report =
    status === 86 || status === 66 || /ERROR: \w+Sanitizer|runtime error:/.test(stderr);
  if (status !== 0) console.log(`${stdout}${stderr}`);
  return { what, result: status === 0 ? 'ok' : `status ${status}`, reports: Number(report) };
}

/** cpp/sys and cpp/fork as programs; what each cannot do is in docs/sanitizers.md. */
async function programs(): Promise<Row[]> {
  const at = (name: string) => join(folder, name);
  const selftest = (name: string, flags: string) =>
    must(process.execPath, ['test/tools/selftest.mjs', 'native', at(name)], { CXXFLAGS: flags });
  const host = (name: string, ...flags: string[]) =>
    buildHost({ ...machines.glibc, options: () => ['-pthread', '-g', ...flags] }, at(name));
  selftest('selftest', `-g ${sanitize}`);
  await host('host', sanitize);
  await host('host-ubsan', '-fsanitize=undefined', '-fno-sanitize-recover=all');
  await host('host-tsan', '-fsanitize=thread');
  await host('host-plain');
  const options = { ASAN_OPTIONS: 'detect_leaks=0:use_sigaltstack=0:exitcode=86' };
  const memcheck = ['-q', '--error-exitcode=86', '--fair-sched=yes', at('host-plain'), 'units'];
  return [
    program('cpp/sys, ASan and UBSan', at('selftest'), [], options),
    program('cpp/fork units, ASan and UBSan', at('host'), ['units'], options),
    program('cpp/fork, 40 forks, UBSan', at('host-ubsan'), ['40']),
    program('cpp/fork units, TSan', at('host-tsan'), ['units']),
    program('cpp/fork units, valgrind', 'valgrind', memcheck),
  ];
}

function filesToRun(): string[] {
  const asked = process.argv.slice(2);
  if (asked.length > 0) return asked.map((name) => resolve(name));
  return ['', 'peers'].flatMap((sub) =>
    readdirSync(join(tests, sub))
      .filter((name) => name.endsWith('.test.js') && UNFIT[name] === undefined)
      .map((name) => join(tests, sub, name)),
  );
}

rmSync(reports, { recursive: true, force: true });
makeReports();
buildAddon();
const rows = await programs();
const env = environment();
for (const file of filesToRun()) {
  rows.push(testFile(file, env));
  console.log(Object.values(rows.at(-1) as Row).join('  '));
}
console.table(rows);
for (const [file, reason] of Object.entries(UNFIT)) console.log(`not run: ${file}: ${reason}`);
process.exitCode = rows.every(({ result, reports: n }) => /^ok/.test(result) && n === 0) ? 0 : 1;
