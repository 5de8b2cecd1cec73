// fork() in a child of fork(): generations, trees and rows of siblings.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { often } from './tools/full.js';
import { succeeds } from './tools/run.js';

const depth = often(50, 20);

for (const scenario of ['chain', 'breathless']) {
  test(`${scenario}: ${depth} generations`, async () => {
    // As many processes at the end, each with a timer of 2 ms: a busy machine takes minutes.
    const args = [scenario, `${depth}`];
    assert.equal(await succeeds('again.js', args, { timeout: 240_000 }), `${depth}\n`);
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
