// Ten upgrades in a row, and five that fail, under load: no request fails, and nothing grows.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../tools/daemons.js';
import { descriptors } from '../tools/proc.js';
import { scratch } from '../tools/scratch.js';
import { Load, Upgraded } from '../tools/upgraded.js';

const FAILURES = ['throw', 'exit', 'worker', 'hang', 'spin'] as const;

const environment = (pid: number) => readFileSync(`/proc/${pid}/environ`, 'latin1').length;

for (const balance of ['shared', 'reuseport'] as const) {
  test(`${balance}: ten upgrades and five that fail`, async (t) => {
    const pidfile = join(scratch(t), 'd.pid');
    const options = { balance, workers: 3, upgradeTimeout: 15_000, stopTimeout: 20_000 };
    const server = await Upgraded.ready(t, { pidfile, options });
    const load = new Load(server, 4);
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
    // The pid in the variable that told it what it has, and the line's inode, have as many digits as they have.
    const [, [fds = 0, bytes = 0] = []] = sizes;
    for (const [n, size] of sizes.slice(1)) {
      assert.equal(n, fds);
      assert.ok(Math.abs(size - bytes) < 20, `${size} bytes, not ${bytes}`);
    }
    await server.stops();
  });
}
