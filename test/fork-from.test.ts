// fork() can be called from anywhere on the main thread.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reports, run, succeeds } from './tools/run.js';

// Node 20 and 22 warn that a CommonJS module may require() an ES module.
const execArgv = ['--disable-warning=ExperimentalWarning'];

test('from the top level of a CommonJS module', async () => {
  assert.equal(await reports('top.cjs', [], { execArgv }), 7);
});

test('from the top level of an ES module, after await', async () => {
  assert.equal(await reports('top.mjs'), 7);
});

for (const scenario of [
  'timer',
  'interval',
  'immediate',
  'nextTick',
  'promiseJob',
  'microtask',
  'fileCallback',
  'threadPoolCallback',
  'socketCallback',
  'signalListener',
]) {
  test(`from a callback: ${scenario}`, async () => {
    assert.equal(await succeeds('from.js', [scenario]), 'done\n');
  });
}

test('inside AsyncLocalStorage: both sides keep the store', async () => {
  assert.equal(await succeeds('from.js', ['storage']), 'done\n');
});

test('with async_hooks enabled: the execution ids stay balanced', async () => {
  assert.equal(await succeeds('from.js', ['hooks']), 'done\n');
});

test('with the inspector open: the parent stays debuggable, the child ends', async () => {
  const { code, stdout, stderr, survivors } = await run('from.js', ['debugged']);
  assert.deepEqual(
    { code, stdout, survivors },
    { code: 0, stdout: 'done\n', survivors: [] },
    stderr,
  );
});

test('from the exit event', async () => {
  assert.equal(await reports('from.js', ['fromExit']), 3);
});
