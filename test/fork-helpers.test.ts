// Child processes and IPC channels stay the parent's: the child of fork() hears nothing of them and cannot
// reach them.
import assert from 'node:assert/strict';
import { accessSync, constants } from 'node:fs';
import { test } from 'node:test';
import { succeeds } from './tools/run.js';
import { linesOf } from './tools/script.js';

const done = async (scenario: string) =>
  assert.equal(await succeeds('helpers.js', [scenario]), 'done\n');

test('helpers: the child cannot signal them, hears nothing of them, has children of its own', () =>
  done('helpers'));

test('a program that cannot be started is an error in both', () => done('helperFails'));

test('exec() with a time limit and an AbortSignal', () => done('commands'));

function recyclable(): { skip: string | false } {
  try {
    accessSync('/proc/sys/kernel/ns_last_pid', constants.W_OK);
    return { skip: false };
  } catch {
    return { skip: 'needs a writable /proc/sys/kernel/ns_last_pid' };
  }
}

test('a helper’s pid that comes again is the new child’s', recyclable(), async () => {
  assert.equal(await succeeds('helpers.js', ['recycledPid'], { timeout: 90_000 }), '0\n');
});

test('under child_process.fork and node:cluster: no process.send, no word, its own listening', () =>
  done('channel'));

test('helpers from before the import: the child cannot signal them', () => {
  const module = JSON.stringify(new URL('../lib/index.js', import.meta.url).href);
  const source = `import { spawn } from 'node:child_process';
    import { once } from 'node:events';
    const cat = spawn('cat', { stdio: ['pipe', 'pipe', 'inherit'] });
    const { fork, waitpid } = await import(${module});
    const pid = fork();
    if (pid === 0) {
      cat.on('exit', () => process.exit(9));
      process.exitCode = cat.kill() || cat.stdin.writable ? 1 : 0;
      await once(spawn('true'), 'exit');
    } else {
      console.log(waitpid(pid).exitCode);
      cat.stdin.end('1');
      const [text] = await once(cat.stdout, 'data');
      console.log(String(text));
    }`;
  assert.deepEqual(linesOf(source, { bare: true }), [0, 1]);
});
