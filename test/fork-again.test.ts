// fork() in a child of fork(): generations, trees and rows of siblings.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { succeeds } from './tools/run.js';

for (const scenario of ['chain', 'breathless']) {
  test(`${scenario}: 50 generations`, async () => {
    // Fifty processes at the end, each with a timer of 2 ms: a busy machine takes minutes.
    assert.equal(await succeeds('again.js', [scenario], { timeout: 240_000 }), '50\n');
  });
}

test('a tree of 2^6 processes', async () => {
  const lines = (await succeeds('again.js', ['tree'], { timeout: 90_000 })).trim().split('\n');
  assert.equal(lines.pop(), 'total 64');
  assert.equal(new Set(lines).size, 64);
});

test('200 siblings in a row, each with its own exit code', async () => {
  assert.equal(await succeeds('again.js', ['siblings'], { timeout: 60_000 }), 'done\n');
});
