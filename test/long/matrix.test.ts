// fork() on the other Node lines, with the same binary: all of test/fork*.test.ts on each. The lines are
// fetched from npm.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cleanEnvironment } from '../tools/environment.js';
import { tail } from '../tools/failures.js';
import { supportedLines } from '../tools/nodes.js';
import { collect } from '../tools/output.js';

const MATRIX = fileURLToPath(new URL('../tools/matrix.js', import.meta.url));
const [running] = process.versions.node.split('.');
const fetched = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);
const needsLines = { skip: !fetched && 'npm has no Node binaries for this machine' };

for (const line of supportedLines.filter((one) => one !== running)) {
  test(`fork() on Node ${line}`, needsLines, async (t) => {
    const env = cleanEnvironment({ DAEMONKIT_FULL: '0' });
    const matrix = spawn(process.execPath, [MATRIX, line], { env });
    const output = collect(matrix);
    const [code] = await once(matrix, 'close');
    t.diagnostic(output.stdout.match(/^.*pass.*\n.*\n.*$/m)?.[0] ?? 'no summary');
    const [, failed] = /^(Node \S+ failed: [\s\S]*)/m.exec(output.stdout) ?? [];
    assert.equal(code, 0, failed ?? tail(output.stdout + output.stderr));
  });
}
