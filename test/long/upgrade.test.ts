// Ten upgrades in a row, and five that fail, under load: no request fails, and nothing grows. And what comes to either program
// when the new one is ready and the old one stands still.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../tools/daemons.js';
import { descriptors, hasEnded, stat } from '../tools/proc.js';
import { scratch } from '../tools/scratch.js';
import { Load, Upgraded } from '../tools/upgraded.js';

const FAILURES = ['throw', 'exit', 'worker', 'hang', 'spin'] as const;

const environment = (pid: number) => readFileSync(`/proc/${pid}/environ`, 'latin1').length;

for (const balance of ['shared', 'reuseport'] as const) {
  test(`${balance}: ten upgrades and five that fail`, async (t) => {
    const pidfile = join(scratch(t), 'd.pid');
    // The clients ask without a break, but on a busy machine their process may get no processor for
    // half a second. A worker that ends would take that for silence.
    const idleTimeout = 5000;
    const times = { upgradeTimeout: 15_000, stopTimeout: 20_000, idleTimeout };
    const options = { balance, workers: 3, ...times };
    const server = await Upgraded.ready(t, { pidfile, options });
    const load = new Load(server, 4);
    t.after(() => load.stop());
    await load.goesOn(500);
    const sizes: [descriptors: number, environment: number][] = [];
    for (let version = 2; version <= 11; version++) {
      const fail = FAILURES[version / 2 - 1];
      if (fail !== undefined) {
        const before = server.master;
        // Workers that spin are killed when their master's time is over, and answer nothing.
        await server.fails({ fail, version: version + 100 });
        assert.equal(server.master, before, fail);
      }
      const next = await server.upgrade(version, { fail: undefined });
      assert.equal(readFileSync(pidfile, 'utf8'), `${next}\n`);
      await load.goesOn(300);
      await until('only its own', () => server.processes().length === 4);
      sizes.push([Object.keys(descriptors(next)).length, environment(next)]);
    }
    await load.stop();
    assert.deepEqual(load.failures, []);
    assert.equal([...load.versions].filter((version) => version <= 11).length, 11);
    // The pid in its variable, and the line's inode, may have any number of digits.
    const [, [fds = 0, bytes = 0] = []] = sizes;
    for (const [n, size] of sizes.slice(1)) {
      assert.equal(n, fds);
      assert.ok(Math.abs(size - bytes) < 20, `${size} bytes, not ${bytes}`);
    }
    await server.stops();
  });
}

test('signals to the new program before it has taken over, and an old one that stands still', async (t) => {
  const pidfile = join(scratch(t), 'd.pid');
  const options = { upgradeTimeout: 3000 };
  const server = await Upgraded.ready(t, { pidfile, options });
  const named = () => Number(readFileSync(pidfile, 'utf8'));
  /** The next one is ready, and the master of before stopped with its workers. */
  const meet = async (version: number) => {
    const old = server.processes();
    const ready = server.events('ready').length + 1;
    const first = server.master;
    server.becomes({ version, fail: 'stopped' });
    server.kill('SIGUSR2');
    const stopped = () => server.processes().find((pid) => stat(pid)[0] === 'T');
    const next = await until('it is stopped', stopped);
    for (const pid of old) server.kill('SIGSTOP', pid);
    server.kill('SIGCONT', next);
    await server.hears('ready', ready);
    const goesOn = () => old.forEach((pid) => void server.kill('SIGCONT', pid));
    return { first, next, goesOn };
  };

  const one = await meet(2);
  server.becomes({ version: 3, fail: undefined });
  server.kill('SIGUSR2', one.next);
  // Longer than the time it had, although it was ready in that.
  await sleep(5000);
  one.goesOn();
  await server.hears('ready', 3);
  await until('one after the other', () => hasEnded(one.first) && hasEnded(one.next));
  await until('nothing else is left', () => server.processes().length === 3);
  assert.deepEqual([named(), (await server.ask()).version], [server.master, 3]);
  assert.deepEqual(server.events('error'), []);

  const two = await meet(4);
  const under = server.ask({ path: '/?ms=4000' });
  await until('it is under way', () => server.processes().length === 6);
  await sleep(200);
  server.kill('SIGTERM', two.next);
  await until('one of its workers has ended', () => server.processes().length === 5);
  two.goesOn();
  const { code, message } = await server.hears('error');
  assert.equal(code, 'ERR_UPGRADE_FAILED');
  assert.match(message, /asked to stop/);
  assert.equal((await under).version, 4);
  await until('nothing of it is left', () => server.processes().length === 3);
  assert.deepEqual([named(), (await server.ask()).version], [two.first, 3]);
  server.kill('SIGTERM', two.first);
  await until('the end of all', () => server.processes().length === 0);
});
