// upgrade(): another program takes the place of this one, under load, or fails to.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pidfileRead } from 'daemonkit';
import { until } from './tools/daemons.js';
import { descriptors, stat } from './tools/proc.js';
import { scratch } from './tools/scratch.js';
import { Load, Upgraded } from './tools/upgraded.js';

/** Looks at a pidfile as often as it can: there is always one process that it names, and that lives. */
function watchPidfile(path: string): () => Set<string> {
  const seen = new Set<string>();
  let running = true;
  const look = () => {
    if (!running) return;
    const { state, pid } = pidfileRead(path);
    seen.add(`${state} ${pid}`);
    setImmediate(look);
  };
  look();
  return () => {
    running = false;
    return seen;
  };
}

const shape = (pid: number) =>
  Object.values(descriptors(pid))
    .map((name) => name.replace(/\d+/g, 'N'))
    .sort();

test('one that fails, and one that does not, without a failed request', async (t) => {
  const pidfile = join(scratch(t), 'd.pid');
  const server = await Upgraded.ready(t, { pidfile });
  const first = server.master;
  const load = new Load(server, 3);
  await load.goesOn();

  const before = shape(first);
  const broken = await server.fails({ version: 2, fail: 'throw' });
  assert.deepEqual(
    [broken.pid, broken.code, broken.step, broken.exitCode, broken.signal],
    [first, 'ERR_UPGRADE_FAILED', 'load', 1, null],
  );
  assert.match(broken.stderr, /Error: version 2 is broken/);
  // It is forwarded to the usual standard error.
  await until('told', () => server.stderr.includes('Error: version 2 is broken'));
  const worker = await server.fails({ version: 3, fail: 'worker' });
  assert.deepEqual([worker.code, worker.step], ['ERR_UPGRADE_FAILED', 'workers']);
  assert.match(worker.message, /worker [12] has ended before it was ready/);
  assert.match(worker.stderr, /a worker of version 3 is broken/);
  await until('nothing is left of them', () => server.processes().length === 3);
  await until('the same descriptors', () => shape(first).length === before.length);
  assert.deepEqual(shape(first), before);
  assert.equal(readFileSync(pidfile, 'utf8'), `${first}\n`);
  assert.deepEqual([...load.versions], [1]);

  const watched = watchPidfile(pidfile);
  const next = await server.upgrade(4, { fail: undefined });
  await load.goesOn();
  await load.stop();
  assert.deepEqual(load.failures, []);
  assert.ok(load.versions.has(4));
  assert.deepEqual([...watched()], [`running ${first}`, `running ${next}`]);
  assert.equal(readFileSync(pidfile, 'utf8'), `${next}\n`);
  const { env } = server.events('ready').at(-1) ?? {};
  const ours = env?.filter((name) => /^DAEMONKIT_(?!TEST)/.test(name));
  assert.deepEqual(
    ours?.filter((name) => process.env[name] === undefined),
    [],
  );
  // The first process may have had more, from the starter of the test.
  await until('no more descriptors', () => shape(next).length <= before.length);
  assert.equal((await server.ask()).version, 4);
  assert.notEqual(Number(stat(next)[1]), first);
  await server.stops();
  assert.equal(existsSync(pidfile), false);
});
