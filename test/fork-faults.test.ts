// Threads of other addons: those that can be parked are carried along, for others fork() gives up.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reports, succeeds } from './tools/run.js';

type Given = { code: string; took: number };

test('a thread that blocks every signal: EAGAIN when { timeout } is over, parent intact', async () => {
  const given = await reports<Given>('faults.js', ['deaf']);
  const byDefault = await reports<Given>('faults.js', ['deafForDefault']);
  assert.deepEqual([given.code, byDefault.code], ['EAGAIN', 'EAGAIN']);
  // 300 and 2000 ms, and whatever a busy machine adds.
  assert.ok(given.took >= 250 && byDefault.took >= 1900, `${given.took}, ${byDefault.took} ms`);
  assert.ok(given.took < byDefault.took, `${given.took}, ${byDefault.took} ms`);
});

test('a thread that never makes a system call: carried along whole, or EAGAIN', async () => {
  const { code, took } = await reports<Given>('faults.js', ['busy']);
  if (code === 'none') return;
  assert.equal(code, 'EAGAIN');
  assert.ok(took >= 250, `${took} ms`);
});

test('an ordinary thread of another addon works on in parent and child', async () => {
  assert.equal(await succeeds('faults.js', ['foreign']), 'done\n');
});
