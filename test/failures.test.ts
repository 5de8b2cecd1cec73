// What a log of another runner is cut down to.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { cleanEnvironment } from './tools/environment.js';
import { failedCases, whatFailed } from './tools/failures.js';
import { scratch } from './tools/scratch.js';

const FILE = `import { test, describe } from 'node:test';
import assert from 'node:assert';
test('good', () => {});
test('todo', { todo: true }, () => { throw new Error('later'); });
describe('outer', () => {
  test('good within', () => {});
  test('bad within', () => assert.equal(1, 2, 'first line\\nsecond line'));
});
test('loud', () => { throw new Error('x'.repeat(10_000)); });
`;

test('each failed case with its parents and its error, and nothing of the others', (t) => {
  const file = join(scratch(t), 'some.test.mjs');
  writeFileSync(file, FILE);
  const options = ['--test', '--test-reporter=tap', file];
  const env = cleanEnvironment();
  const { stdout } = spawnSync(process.execPath, options, { encoding: 'utf8', env });
  const [within = '', loud = '', ...more] = failedCases(stdout);
  assert.deepEqual(more, [], stdout);
  assert.match(within, /^outer › bad within\n(.*\n)* +first line\n +second line\n/);
  assert.match(loud, /^loud\n[\s\S]*x{2000}[\s\S]*characters more\]$/);
  assert.doesNotMatch(whatFailed(stdout), /good|todo/);
  const end = `${'-'.repeat(5000)}dead`;
  assert.match(whatFailed(end), /^\[1004 characters before\]\n-+dead$/);
});
