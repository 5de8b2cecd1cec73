// test/freebsd/addon.cjs, a script for any engine and system, on the addon as it is here. The self-test of
// cpp/sys without Node is built in test/long/freebsd.test.ts.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A TAP stream's lines that are no plain "ok". */
function unusual(tap: string): string[] {
  return tap
    .split('\n')
    .filter((line) => !/^(ok \d+ - [^#]*|# Linux .*|TAP .*|1\.\.\d+|)$/.test(line));
}

test('the addon passes the script for any engine', () => {
  const script = join(root, 'test', 'freebsd', 'addon.cjs');
  const { stdout, stderr, status } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  assert.deepEqual([unusual(stdout.replace(/^# live fork.*$/m, '')), stderr, status], [[], '', 0]);
  assert.match(stdout, /^1\.\.20$/m);
});
