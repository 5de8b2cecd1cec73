// prefork() in a daemon, in a chroot, without privileges.
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from './tools/daemons.js';
import { freePort } from './tools/port.js';
import { Preforked } from './tools/preforked.js';
import { presence, processGroup, runningIn, stat, status } from './tools/proc.js';
import { scratch } from './tools/scratch.js';

test('becomeDaemon(), then prefork(): reload by SIGHUP, stop by SIGTERM, no pidfile left', async (t) => {
  const directory = scratch(t);
  const daemon = { pidfile: join(directory, 'd.pid'), log: join(directory, 'd.log') };
  const server = new Preforked(t, { daemon, options: { workers: 2 } });
  assert.deepEqual(await server.ended, [0, null], server.stderr);
  const pid = Number(readFileSync(daemon.pidfile, 'utf8'));
  const isThere = presence(pid);
  t.after(() => isThere() && process.kill(pid, 'SIGKILL'));
  const said = (event: string) =>
    readFileSync(daemon.log, 'utf8').split(`"event":"${event}"`).length - 1;
  await until('ready', () => said('ready') === 1);
  process.kill(pid, 'SIGHUP');
  await until('a reload', () => said('exit') === 2);
  const group = Number(stat(pid)[2]);
  assert.equal(processGroup(group).length, 3);
  process.kill(pid, 'SIGTERM');
  // A zombie is for process 1 to reap, which in a container may be one that does not.
  await until('the end', () => runningIn(group).length === 0);
  assert.equal(said('exit'), 4);
  assert.throws(() => readFileSync(daemon.pidfile), { code: 'ENOENT' });
});

const ids = (pid: number) => [status(pid).Uid, status(pid).Gid].map((text) => text?.split('\t')[0]);

test('the master stays root, its workers live in a chroot as somebody else', async (t) => {
  const root = scratch(t);
  const server = await Preforked.ready(t, { worker: 'drop', root });
  for (const pid of server.workers()) {
    assert.equal(readlinkSync(`/proc/${pid}/root`), root);
    assert.deepEqual(ids(pid), ['65534', '65534']);
  }
  assert.equal(readlinkSync(`/proc/${server.pid}/root`), '/');
  const { pid } = await server.ask();
  assert.ok(server.workers().includes(pid));
  server.kill('SIGHUP');
  await until('a reload', () => server.exits().length === 3);
  assert.deepEqual(
    server.exits().map(({ exitCode }) => exitCode),
    [0, 0, 0],
  );
  await server.stops();
});

test('a privileged port is opened by root, and served by a daemon without privileges', async (t) => {
  const directory = scratch(t);
  const daemon = {
    pidfile: join(directory, 'd.pid'),
    log: join(directory, 'd.log'),
    user: 'nobody',
  };
  chmodSync(directory, 0o755);
  const early = await freePort(600, 400);
  const server = new Preforked(t, { daemon, early, options: { workers: 2 } });
  assert.deepEqual(await server.ended, [0, null], server.stderr);
  const pid = Number(readFileSync(daemon.pidfile, 'utf8'));
  const group = Number(stat(pid)[2]);
  t.after(() =>
    processGroup(group).forEach((member) => {
      process.kill(member, 'SIGKILL');
    }),
  );
  await until('ready', () => readFileSync(daemon.log, 'utf8').includes('"event":"ready"'));
  assert.equal(processGroup(group).length, 3);
  for (const member of processGroup(group)) assert.deepEqual(ids(member)[0], '65534');
  const response = await fetch(`http://127.0.0.1:${early}/`, { headers: { connection: 'close' } });
  assert.equal(((await response.json()) as { ppid: number }).ppid, pid);
  process.kill(pid, 'SIGTERM');
  await until('the end', () => runningIn(group).length === 0);
});
