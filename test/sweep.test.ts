// Of a test that fails, hangs or is killed nothing is left, whatever it has started.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cleanEnvironment } from './tools/environment.js';
import { marked } from './tools/marked.js';
import { collect } from './tools/output.js';
import { fixture } from './tools/run.js';
import { sweep } from './tools/sweep.js';

const SUITE = fileURLToPath(new URL('tools/suite.js', import.meta.url));

const ends = {
  // The reporter depends on whether the hook of the file or the runner finds it first.
  passes: /left behind|ok 1 - it leaves processes behind/,
  pipe: /left behind|timed out/,
  fails: /as asked/,
  hangs: /timed out/,
  spins: /timed out/,
  dies: /SIGKILL/,
};

const options = { skip: process.platform !== 'linux' && 'looks for them in /proc' };

test('nothing is left of a test file, however its test ends', options, async (t) => {
  // Side by side: each waits most of its time.
  const all = Object.entries(ends).map(async ([how, words]) => {
    const id = randomUUID();
    const env = { DAEMONKIT_TEST: id, LEAVES: how, DAEMONKIT_TEST_PATIENCE: '100' };
    const timeout = /timed/.test(words.source) ? 3000 : 120_000;
    const args = [`--test-timeout=${timeout}`, '--test-reporter=tap', fixture('leaves.test.js')];
    const suite = spawn(process.execPath, [SUITE, ...args], { env: cleanEnvironment(env) });
    t.after(() => sweep(`DAEMONKIT_TEST=${id}`));
    const output = collect(suite);
    assert.deepEqual(await once(suite, 'close'), [1, null], output.stdout);
    // The runner reports processes that outlive their file, on standard error.
    assert.match(output.stdout + output.stderr, words, how);
    assert.deepEqual(marked(`DAEMONKIT_TEST=${id}`), [], how);
  });
  await Promise.all(all);
});
