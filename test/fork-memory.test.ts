// 5,000 forks cost the parent no memory and no descriptor.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reports } from './tools/run.js';

test('resident memory and descriptors are flat over 5,000 forks', async (t) => {
  const { resident, fds } = await reports<{ resident: number[]; fds: number[] }>(
    'parent.js',
    ['memory'],
    { timeout: 240_000, execArgv: ['--expose-gc'] },
  );
  t.diagnostic(`KiB resident after each thousand: ${resident.join(' ')}`);
  const [first = 0] = resident;
  // One leaked page per fork would be 16,000 KiB by the end; V8's heap may take a step of 5,000.
  assert.ok((resident.at(-1) ?? Infinity) - first < 8000, resident.join(' '));
  assert.deepEqual(new Set(fds).size, 1, fds.join(' '));
});
