// An upgrade under a service manager, which receives the new main pid.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './tools/daemons.js';
import { Manager } from './tools/manager.js';
import { hasEnded, stat } from './tools/proc.js';
import { Upgraded } from './tools/upgraded.js';

test('RELOADING, MAINPID by the old master, then the new one; its sockets and watchdog', async (t) => {
  const options = { stopTimeout: 1000 };
  const server = new Upgraded(t, { daemon: {}, listen: 3, options, held: true }, false);
  const manager = await Manager.start(t, server.command, {
    env: { ...server.mark, WATCHDOG_USEC: '200000' },
    watchdogPid: true,
    listen: ['tcp'],
    systemd: true,
  });
  const first = manager.service;
  await manager.hears('READY=1');
  const port = await until('the port', () => manager.port);
  assert.equal((await server.ask({ port })).ppid, first);

  const from = (pid: number) =>
    manager.messages.filter((one) => one.pid === pid).map(({ lines }) => lines);
  const kinds = (pid: number, since = 0) =>
    from(pid)
      .slice(since)
      .filter((lines) => !lines.includes('WATCHDOG=1'))
      .map((lines) => lines.filter((line) => !/^(MONOTONIC_USEC|MAINPIDFD)=/.test(line)));
  assert.deepEqual(kinds(first), [['READY=1']]);

  server.becomes({ version: 2, fail: 'throw' });
  server.kill('SIGUSR2', first);
  await server.hears('error');
  await until('the manager has heard', () => kinds(first).length === 3);
  assert.deepEqual(kinds(first).slice(1), [
    ['RELOADING=1'],
    [
      'READY=1',
      'STATUS=upgrade: the new program has exited with 1 before it called becomeDaemon() or prefork()',
    ],
  ]);

  server.becomes({ version: 3, fail: undefined, held: false });
  server.kill('SIGUSR2', first);
  await server.hears('ready', 2);
  const next = server.master;
  await manager.hears(`MAINPID=${next}`);
  await until('the watchdog of the new one', () =>
    from(next).some((one) => one.includes('WATCHDOG=1')),
  );
  assert.deepEqual(kinds(first).slice(3), [['RELOADING=1'], ['READY=1', `MAINPID=${next}`]]);
  assert.deepEqual(kinds(next), []);
  // A timer would hold it for ever.
  await until('the old one ends', () => hasEnded(first));
  const answer = await server.ask({ port });
  assert.deepEqual([answer.version, answer.ppid], [3, next]);
  await until('the manager tells', () => manager.exitCode === 0);
  assert.deepEqual(from(first).at(-1)?.includes('STOPPING=1'), false);
  // It is the manager's child now, and is checked again if another process was the main process in
  // between.
  const back = await until('the main process again', () =>
    manager.messages.find(({ pid, lines }) => pid !== first && lines.includes(`MAINPID=${next}`)),
  );
  assert.equal(Number(stat(next)[1]), manager.pid);
  await until('the other one has ended', () => hasEnded(back.pid));
  await server.stops();
  await manager.hears('STOPPING=1');
  assert.deepEqual(kinds(next), [[`MAINPID=${back.pid}`], ['STOPPING=1']]);
});
