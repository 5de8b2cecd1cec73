// The child is a process of its own: ids, entropy, threads, credentials.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needsRoot } from './tools/needs.js';
import { succeeds } from './tools/run.js';

test('process.pid and ppid are the child’s own, as the kernel has them', async () => {
  const [told, real] = (await succeeds('state.js', ['ids'])).trim().split('\n');
  assert.equal(told, real);
});

test('parent, child, grandchild and sibling share no random value', async () => {
  const lines = (await succeeds('state.js', ['random'])).trim().split('\n');
  const drawnBy = new Map<string, string>();
  const shared: string[] = [];
  for (const line of lines) {
    const [kind, value, who = ''] = line.split(' ');
    const before = drawnBy.get(`${kind} ${value}`);
    if (before !== undefined) shared.push(`${kind} ${value}: ${before} and ${who}`);
    drawnBy.set(`${kind} ${value}`, who);
  }
  assert.equal(new Set(drawnBy.values()).size, 4);
  assert.deepEqual(shared.slice(0, 5), [], `${shared.length} values in common`);
});

for (const [scenario, title] of Object.entries({
  threads: 'the child has as many threads as its parent, of the same names, with ids of their own',
  privileges: 'setuid and setgid reach every thread of a child, of a grandchild, of the parent',
  sharedContext: 'chdir in a child reaches the threads of its pool and not the parent',
})) {
  const needs = scenario === 'privileges' ? needsRoot : {};
  test(title, needs, async () => assert.equal(await succeeds('state.js', [scenario]), 'done\n'));
}

test('a child of a busy process whose parent is gone works on without complaint', async () => {
  // Under contention V8's mutexes ask libc about their thread: five at once make some.
  const runs = Array.from({ length: 5 }, () => succeeds('orphan.js'));
  assert.deepEqual(await Promise.all(runs), ['', '', '', '', '']);
});
