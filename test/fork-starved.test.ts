// fork() with too little memory, and beside too many Workers; descriptors and processes are in
// fork-refuse.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Played } from './tools/cases.js';
import { succeeds } from './tools/run.js';

// One heap with room for all threads (mallopt(3)): V8's compiler threads may be at work under the limit,
// and V8 ends the process where malloc() has nothing for them.
const env = { MALLOC_ARENA_MAX: '1', MALLOC_TOP_PAD_: `${2 ** 26}` };

test('no address space; 24 busy Workers', async () => {
  const played = (await succeeds('starved.js', [], { timeout: 120_000, env })).trim().split('\n');
  const outcomes = played.map((line) => JSON.parse(line) as Played);
  assert.equal(outcomes.length, 2);
  for (const { name, problem } of outcomes) assert.equal(problem, undefined, name);
});
