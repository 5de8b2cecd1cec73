// The compiler and the garbage collector at full speed in the child.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { often } from './tools/full.js';
import { reports, succeeds } from './tools/run.js';

test('a hot loop in a child is within 10 % of an unforked process', async (t) => {
  t.diagnostic(await succeeds('speed.js', ['hot'], { timeout: 240_000 }));
});

test('a child collects a gigabyte of garbage, and so does the parent meanwhile', async () => {
  const args = ['garbage', `${often(4, 1)}`];
  assert.equal(await reports('speed.js', args, { timeout: 120_000 }), 5);
});
