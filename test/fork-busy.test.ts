// fork() in the middle of collections and compilations: V8's own threads are at work on both sides.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reports } from './tools/run.js';

for (const [scenario, what, flags] of [
  ['collect', 'collections', ['--max-semi-space-size=1']],
  ['compile', 'compilations', []],
] as const) {
  test(`16 forks during ${what}: parent and children go on with them, and rightly`, async (t) => {
    const options = { timeout: 120_000, execArgv: [...flags] };
    const { pieces } = await reports<{ pieces: number }>('busy.js', [scenario], options);
    t.diagnostic(`${pieces} pieces of work for other threads`);
    assert.ok(pieces > 16, `V8's threads had little to do: ${pieces}`);
  });
}
