// npm run test:matrix [-- LINES... [--refresh]]: the tests of fork(), prefork() and copies on each Node line. The addon is
// N-API, so one build serves them all.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cleanEnvironment } from './environment.js';
import { whatFailed } from './failures.js';
import { type NodeLine, nodeLines, supportedLines } from './nodes.js';

interface Row {
  line: string;
  version: string;
  pass: number;
  fail: number;
  skipped: number;
  seconds: number;
  failed: string;
}

/** What a fork is to a program, and to those who fork for it: the runtime has a part in each. */
const FILES =
  /^(fork.*|copies|signal-early|thrown|prefork(-(callbacks|connections|hang|two|upgrade|warmup))?)\.test\.js$/;

function testFiles(): string[] {
  const folder = fileURLToPath(new URL('..', import.meta.url));
  return readdirSync(folder)
    .filter((name) => FILES.test(name))
    .map((name) => join(folder, name));
}

/** Runs the files under one Node and counts by the TAP summary, whatever the line's default is. */
function runLine({ line, version, path }: NodeLine): Row {
  console.log(`\n# Node ${version}`);
  const start = performance.now();
  const env = cleanEnvironment();
  const { stdout, status } = spawnSync(
    path,
    ['--test', '--test-concurrency=1', '--test-reporter=tap', ...testFiles()],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], env, maxBuffer: 2 ** 28 },
  );
  const count = (name: string) => Number(stdout.match(new RegExp(`^# ${name} (\\d+)`, 'm'))?.[1]);
  return {
    line,
    version,
    pass: count('pass') || 0,
    // A runner that died has no summary, and must not count as a success.
    fail: count('fail') || (status === 0 ? 0 : 1),
    skipped: count('skipped') || 0,
    seconds: Math.round((performance.now() - start) / 1000),
    failed: status === 0 ? '' : whatFailed(stdout),
  };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { refresh: { type: 'boolean', default: false } },
});
const lines = positionals.length > 0 ? positionals : supportedLines;
const rows = nodeLines(lines, values).map(runLine);
console.table(rows.map(({ failed: _, ...row }) => row));
// Last, where it is found however long the log is.
for (const { version, failed } of rows) {
  if (failed !== '') console.log(`Node ${version} failed: ${failed}`);
}
process.exitCode = rows.every(({ pass, fail }) => pass > 0 && fail === 0) ? 0 : 1;
