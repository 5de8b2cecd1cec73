// System calls of fork() that fail, in the parent or in the child before its threads are back:
// strace attaches to the process and lets each thread's first such call fail.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { needsStrace } from './tools/needs.js';
import { threadIds } from './tools/proc.js';
import { succeeds } from './tools/run.js';

function traced(pid: number): boolean {
  return threadIds(pid).every((tid) =>
    /TracerPid:\t[1-9]/.test(readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8')),
  );
}

async function attach(pid: number, call: string, error: string): Promise<ChildProcess> {
  const inject = `inject=${call}:error=${error}:when=1`;
  const strace = spawn('strace', ['-f', '-qq', '-o', '/dev/null', '-e', inject, `-p${pid}`], {
    stdio: 'ignore',
  });
  for (let tries = 0; !traced(pid); tries++) {
    assert.ok(tries < 200, 'strace did not attach');
    await sleep(10);
  }
  return strace;
}

const rings = Number.parseInt(process.versions.node, 10) >= 22;
const cases: [call: string, error: string, syscall: string, where: string][] = [
  ['clone', 'ENOMEM', 'clone', 'parent'],
  ['rt_sigaction', 'EPERM', 'rt_sigaction', 'parent'],
  ['tee', 'ENOMEM', 'tee', 'parent'],
  ['pipe2', 'ENFILE', 'pipe2', 'parent'],
  ['eventfd2', 'ENOMEM', 'eventfd2', 'child'],
  ['epoll_create1', 'EMFILE', 'epoll_create1', 'child'],
  ['epoll_ctl', 'ENOSPC', 'epoll_ctl', 'child'],
  ['dup3', 'EBUSY', 'dup3', 'child'],
];
if (rings) cases.push(['io_uring_setup', 'ENOMEM', 'io_uring_setup', 'child']);

for (const [call, error, syscall, where] of cases) {
  test(
    `${call} fails in the ${where}: ${error}, parent intact, no child left`,
    needsStrace,
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'daemonkit-'));
      let strace: ChildProcess | undefined;
      try {
        const output = await succeeds('refuse.js', ['injected', folder], {
          meanwhile: async (child) => {
            assert.ok(child.stdout && child.pid);
            await once(child.stdout, 'data');
            strace = await attach(child.pid, call, error);
            mkdirSync(join(folder, 'attached'));
            await once(child.stdout, 'data');
            strace.kill('SIGTERM');
            await once(strace, 'exit');
            mkdirSync(join(folder, 'detached'));
          },
        });
        const told = JSON.parse(output.slice(output.indexOf('{'))) as Record<string, string>;
        assert.deepEqual([told.code, told.syscall], [error, syscall]);
      } finally {
        strace?.kill('SIGKILL');
        rmSync(folder, { recursive: true });
      }
    },
  );
}
