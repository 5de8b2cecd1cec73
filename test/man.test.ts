// The manual page: the same as its source, in order for groff, and with every option in it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { helpText } from '../lib/cli/help.js';
import { roff, target } from './tools/man.js';
import { needs } from './tools/needs.js';

test('docs/daemonkit.1 is what test/tools/man.ts makes of docs/daemonkit.1.md', () => {
  assert.equal(readFileSync(target, 'utf8'), roff());
});

test('every option that --help tells is in the manual', () => {
  const manual = roff().replaceAll('\\-', '-');
  const options = new Set(helpText().match(/--[a-z][a-z-]+/g));
  assert.ok(options.size > 20);
  for (const option of options) assert.ok(manual.includes(option), option);
});

test('groff has nothing to complain of', needs('groff'), () => {
  const { stdout, stderr } = spawnSync('groff', ['-man', '-ww', '-Tascii', '-P-cbou', '-'], {
    input: roff(),
    encoding: 'utf8',
  });
  assert.equal(stderr, '');
  assert.match(stdout, /sends +SIGHUP/);
});
