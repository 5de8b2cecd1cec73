// How long it takes to close all descriptors from a number up, with the highest possible RLIMIT_NOFILE: by closefrom(), and by
// each of its methods when forced; by close_range(2) and a getdtablesize() loop in C; by python3's os.closerange and a loop
// there. A figure is a multiple of the time of closefrom(). Run by `node dist/bench/descriptors.js`; prints a table and a line
// of JSON, with --json only the latter.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { closefrom, dup2, getdtablesize } from 'daemonkit';
import { native } from '../lib/addon/native.js';
import { median, printTable } from './tools.js';

const FIRST = 200;
const ROUNDS = 9;
const COUNTS = [0, 1000, 100_000];
const ALL = 2 ** 32 - 1;

const nanoseconds = () => Number(process.hrtime.bigint());

/** Runs everything again under the kernel's highest limit, if this user may set it. */
function raiseLimit(): void {
  const highest = readFileSync('/proc/sys/fs/nr_open', 'utf8').trim();
  const prlimit = [`--nofile=${highest}:${highest}`];
  if (Number(highest) <= getdtablesize() || process.env.DAEMONKIT_BENCH === 'raised') return;
  if (spawnSync('prlimit', [...prlimit, 'true']).status !== 0) return;
  const { status } = spawnSync(
    'prlimit',
    [...prlimit, process.execPath, ...process.argv.slice(1)],
    {
      stdio: 'inherit',
      env: { ...process.env, DAEMONKIT_BENCH: 'raised' },
    },
  );
  process.exit(status ?? 1);
}

function ours(count: number, close: () => void): number {
  const rounds = Array.from({ length: ROUNDS }, () => {
    for (let fd = FIRST; fd < FIRST + count; fd++) dup2(0, fd);
    const start = nanoseconds();
    close();
    return nanoseconds() - start;
  });
  return median(rounds);
}

/** Medians of the columns that a program prints, a line a round; undefined if it does not run. */
function columns(file: string, args: string[]): [number, number] | undefined {
  const { status, stdout } = spawnSync(file, args, { encoding: 'utf8' });
  if (status !== 0) return undefined;
  const lines = stdout.trim().split('\n');
  const column = (i: number) => median(lines.map((line) => Number(line.split(' ')[i])));
  return [column(0), column(1)];
}

const PYTHON = `
import os, sys, time
first, count, limit, rounds = map(int, sys.argv[1:])
def open_all():
    for fd in range(first, first + count): os.dup2(0, fd)
def loop():
    for fd in range(first, limit):
        try: os.close(fd)
        except OSError: pass
def timed(close):
    open_all()
    start = time.perf_counter_ns()
    close()
    return time.perf_counter_ns() - start
for _ in range(rounds):
    print(timed(lambda: os.closerange(first, limit)), timed(loop))
`;

function compile(folder: string): string | undefined {
  const source = fileURLToPath(new URL('../../bench/native/close.c', import.meta.url));
  const program = join(folder, 'close');
  const { status } = spawnSync('cc', ['-O2', '-o', program, source], { stdio: 'inherit' });
  return status === 0 ? program : undefined;
}

function measure(count: number, limit: number, program: string | undefined) {
  const args = [FIRST, count, limit, ROUNDS].map(String);
  const c = program === undefined ? undefined : columns(program, args);
  const python = columns('python3', ['-c', PYTHON, ...args]);
  const forced = (method: 1 | 2 | 3) =>
    ours(count, () => native.closeRange(FIRST, ALL, false, method));
  return {
    'closefrom()': ours(count, () => closefrom(FIRST)),
    'closefrom() by /proc/self/fd': forced(2),
    'closefrom() by its loop': forced(3),
    'C: close_range(2)': c?.[0],
    'C: getdtablesize() loop': c?.[1],
    'Python: os.closerange': python?.[0],
    'Python: os.close loop': python?.[1],
  };
}

raiseLimit();
const limit = getdtablesize();
const folder = mkdtempSync(join(tmpdir(), 'daemonkit-bench-'));
try {
  const program = compile(folder);
  const counts = [...new Set(COUNTS.map((count) => Math.min(count, limit - FIRST)))];
  const nanosecondsOf = Object.fromEntries(
    counts.map((count) => [count, measure(count, limit, program)]),
  );
  const python = execFileSync('python3', ['--version'], { encoding: 'utf8' }).trim();
  if (!process.argv.includes('--json')) {
    for (const [count, ways] of Object.entries(nanosecondsOf)) {
      const own = ways['closefrom()'];
      const rows = Object.entries(ways).map(([way, time]) => ({
        [`${count} open, RLIMIT_NOFILE ${limit}`]: way,
        'times closefrom()': time === undefined ? 'not here' : (time / own).toFixed(2),
      }));
      printTable(rows);
    }
  }
  console.log(JSON.stringify({ node: process.version, python, limit, nanoseconds: nanosecondsOf }));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
