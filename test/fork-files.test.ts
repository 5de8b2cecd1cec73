// Files that a thread is in the middle of reading or writing have one offset: two readers would
// each get a part, and two writers would write the rest twice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { succeeds } from './tools/run.js';
import { scratch } from './tools/scratch.js';

const cases: [name: string, title: string][] = [
  ['pool', 'files and directories that are being read: parent and child each get all'],
  ['worker', 'so do a Worker and its copy'],
  ['paused', 'also if the Worker waits at the fork, with the file open'],
  ['writes', 'what is being written, or copied, or waits for that, is in the file once'],
  ['changes', 'a change that waits for the thread pool is made once, and fails in the child'],
  ['shared', 'duplicates of such a file have one offset in the child too, of its own'],
];
for (const [name, title] of cases) {
  test(title, async (t) => {
    const output = await succeeds('reading.js', [scratch(t), name], { timeout: 60_000 });
    assert.equal(output, 'done\n');
  });
}
