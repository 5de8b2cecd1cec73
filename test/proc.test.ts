// The tests' own looks at processes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, existsSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { killIfThere, presence } from './tools/proc.js';
import { succeeds } from './tools/run.js';
import { runScript } from './tools/script.js';

const LAST_PID = '/proc/sys/kernel/ns_last_pid';

function recyclable(): { skip: string | false } {
  try {
    accessSync(LAST_PID, constants.W_OK);
    return { skip: false };
  } catch {
    return { skip: `needs a writable ${LAST_PID}` };
  }
}

test('presence(): another process with the same number is another one', recyclable(), async () => {
  const first = spawn('sleep', ['60'], { stdio: 'ignore' });
  const pid = first.pid as number;
  const isThere = presence(pid);
  assert.equal(isThere(), true);
  first.kill('SIGKILL');
  await once(first, 'exit');
  assert.equal(isThere(), false);
  // Start times are counted in ticks of 10 ms.
  await sleep(50);
  for (const end = Date.now() + 60_000; ; ) {
    writeFileSync(LAST_PID, `${pid - 1}`);
    const second = spawn('sleep', ['60'], { stdio: 'ignore' });
    const again = second.pid === pid;
    if (again) assert.deepEqual([existsSync(`/proc/${pid}`), isThere()], [true, false]);
    second.kill('SIGKILL');
    await once(second, 'exit');
    if (again) return;
    // Another test's process has come to it first.
    assert.ok(Date.now() < end, `${pid} does not come again`);
    await sleep(2);
  }
});

test('succeeds(): a fixture that does not end is explained', async () => {
  await assert.rejects(succeeds('hangs.js', [], { timeout: 10_000 }), ({ message }: Error) => {
    assert.match(message, /not ended within 10000 ms$/m);
    assert.match(message, /^\d+ PPid \d+ .*node/m);
    assert.match(message, /^ {2}\d+ \S+ S wchan \S+ syscall \S+/m);
    assert.match(message, /^\d+ PPid \d+ .*cat$/m);
    assert.match(message, /^ {2}\d+ cat S wchan \S+ syscall \S+/m);
    assert.match(message, /^stdout:\nprinted so far$/m);
    assert.match(message, /^stderr:\ncomplained so far$/m);
    return true;
  });
});

test('runScript(): so is what is left of a script', () => {
  const source = `import { spawn } from 'node:child_process';
    const { pid } = spawn('sleep', ['60']);
    console.log(\`made \${pid}\`);`;
  assert.throws(
    () => runScript(source, { timeout: 10_000 }),
    ({ message }: Error) => {
      const pid = /^made (\d+)$/m.exec(message)?.[1];
      assert.ok(pid, message);
      killIfThere(Number(pid));
      assert.match(message, /^not ended within 10000 ms$/m);
      assert.match(message, new RegExp(`^${pid} PPid \\d+ .*sleep 60$`, 'm'));
      assert.match(message, new RegExp(`^ {2}${pid} sleep S wchan \\S+ syscall \\S+`, 'm'));
      return true;
    },
  );
});
