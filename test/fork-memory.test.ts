// Thousands of forks cost the parent no memory and no descriptor.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { often } from './tools/full.js';
import { reports } from './tools/run.js';

test('resident memory and descriptors are flat over a thousand forks', async (t) => {
  const forks = often(5000, 1000);
  const { resident, fds } = await reports<{ resident: number[]; fds: number[] }>(
    'parent.js',
    ['memory', `${forks}`],
    { timeout: 240_000, execArgv: ['--expose-gc'] },
  );
  t.diagnostic(`KiB resident after each fifth of ${forks}: ${resident.join(' ')}`);
  const steps = resident.slice(1).map((kib, i) => kib - (resident[i] ?? 0));
  // V8's heap may take a step of 5,000 once. One leaked page per fork would be 4 KiB, in each fifth.
  const [, usual = Infinity] = steps.sort((a, b) => a - b);
  assert.ok(usual < (forks / 5) * 3, resident.join(' '));
  assert.deepEqual(new Set(fds).size, 1, fds.join(' '));
});
