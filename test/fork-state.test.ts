// The child is a process of its own: ids, entropy, threads, credentials.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { needsRoot } from './tools/needs.js';
import { libc } from './tools/package.js';
import { run, succeeds } from './tools/run.js';

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
  const runs = Array.from({ length: 5 }, () => run('orphan.js'));
  for (const { stderr, ...rest } of await Promise.all(runs)) {
    assert.deepEqual(rest, { code: 0, signal: null, stdout: '', timedOut: false, survivors: [] });
    // musl asks the kernel at every call. A thread that the fork stopped in that call asks about the parent's thread.
    const said =
      libc === 'musl' ? stderr.replace(/^\[mutex\.cc.*getschedparam failed: 3\n/gm, '') : stderr;
    assert.equal(said, '');
  }
});
