// Threads of other addons: those that can be parked are carried along, for others fork() gives up.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reports, succeeds } from './tools/run.js';

type Given = { code: string; took: number };

test('a thread that blocks every signal: EAGAIN within { timeout }, parent intact', async () => {
  const { code, took } = await reports<Given>('faults.js', ['deaf']);
  assert.equal(code, 'EAGAIN');
  assert.ok(took >= 250 && took < 1500, `${took} ms`);
});

test('the same with the default timeout: some seconds', async () => {
  const { code, took } = await reports<Given>('faults.js', ['deafForDefault']);
  assert.equal(code, 'EAGAIN');
  assert.ok(took >= 250 && took < 10_000, `${took} ms`);
});

test('a thread that never makes a system call: carried along whole, or EAGAIN in time', async () => {
  const { code, took } = await reports<Given>('faults.js', ['busy']);
  if (code === 'none') return;
  assert.equal(code, 'EAGAIN');
  assert.ok(took >= 250 && took < 1500, `${took} ms`);
});

test('an ordinary thread of another addon works on in parent and child', async () => {
  assert.equal(await succeeds('faults.js', ['foreign']), 'done\n');
});
