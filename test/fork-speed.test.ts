// The compiler and the garbage collector at full speed in the child.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reports } from './tools/run.js';

test('a hot loop in a child is within 10 % of an unforked process', async () => {
  const best = { plain: Infinity, forked: Infinity };
  // Other work on the machine disturbs single rounds; the best of each is what the code can do.
  for (let round = 0; round < 12; round++) {
    for (const kind of ['plain', 'forked'] as const) {
      best[kind] = Math.min(best[kind], await reports<number>('speed.js', [kind]));
    }
    if (round >= 4 && best.forked <= best.plain * 1.1) break;
  }
  const shown = `${best.forked.toFixed(1)} ms in the child, ${best.plain.toFixed(1)} ms unforked`;
  assert.ok(best.forked <= best.plain * 1.1, shown);
});

test('a child collects gigabytes of garbage, and so does the parent meanwhile', async () => {
  assert.equal(await reports('speed.js', ['garbage'], { timeout: 120_000 }), 5);
});
