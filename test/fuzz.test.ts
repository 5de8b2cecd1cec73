// Arbitrary arguments for every public function: never a crash, never an error without a code, never
// an argument for the addon that it was not promised. FUZZ_RUNS and FUZZ_SEED for more.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { cleanEnvironment } from './tools/environment.js';
import { often } from './tools/full.js';
import { fixture } from './tools/run.js';
import { scratch } from './tools/scratch.js';

const runs = Number(process.env.FUZZ_RUNS ?? often(1000, 100));
const seed = Number(process.env.FUZZ_SEED ?? 20261123);

test(`${runs} calls of each function with arbitrary arguments, seed ${seed}`, (t) => {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [fixture('fuzz.js'), `${runs}`, `${seed}`],
    // A separate directory, in case a file is made.
    {
      cwd: scratch(t),
      encoding: 'utf8',
      env: cleanEnvironment(),
      timeout: 60_000 + 200 * runs,
      maxBuffer: 2 ** 26,
    },
  );
  assert.deepEqual([status, signal, stderr], [0, null, '']);
  t.diagnostic(stdout.trim());
  const { calls, refused, tripped, returned } = JSON.parse(stdout);
  assert.equal(refused + tripped + returned, calls);
  // The arguments are not all refused by the first check.
  assert.ok(tripped > 100 && returned > 100, stdout);
});
