// Workers are killed and replaced while load generators hold the server to its answers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from './tools/daemons.js';
import { often } from './tools/full.js';
import { autocannon, Clients, Preforked } from './tools/preforked.js';
import { descriptors } from './tools/proc.js';

// Longer than the load of the machine may delay any client: 9 s were too few with forty threads of
// another test file running.
const options = { workers: 3, idleTimeout: 120_000, stopTimeout: 240_000 };

/** Of load; the reloads and kills come when they come. */
const seconds = often(4, 2);

test('no request fails over three reloads', async (t) => {
  const server = await Preforked.ready(t, { options });
  const clients = new Clients(server, 20);
  const cannon = autocannon(server.port, seconds, ['--pipelining', '4']);
  // A new connection for every other request, the one that it counts: none may be refused or reset.
  const fresh = autocannon(server.port, seconds, ['--reconnectRate', '2']);
  await until('the first generation', () => clients.generations.has(0));
  for (let reloads = 1; reloads <= 3; reloads++) {
    server.kill('SIGHUP');
    await until(`reload ${reloads}`, () => server.exits().length === 3 * reloads);
  }
  const loads = await Promise.all([cannon, fresh]);
  await clients.stop();
  assert.deepEqual(clients.failures, []);
  assert.deepEqual([...clients.generations].sort(), [0, 1, 2, 3]);
  for (const { errors, timeouts, non2xx, ...load } of loads) {
    assert.deepEqual({ errors, timeouts, non2xx }, { errors: 0, timeouts: 0, non2xx: 0 });
    assert.ok(load['2xx'] > 20, `autocannon made ${load['2xx']} requests`);
  }
  for (const { exitCode, signal, asked } of server.exits()) {
    assert.deepEqual({ exitCode, signal, asked }, { exitCode: 0, signal: null, asked: true });
  }
  await server.stops();
});

test('a killed worker takes only its own requests along, and is replaced', async (t) => {
  const server = await Preforked.ready(t, { options: { ...options, respawn: { minUptime: 1 } } });
  const clients = new Clients(server, 12);
  const cannon = autocannon(server.port, seconds);
  const kills = 2;
  for (let i = 1; i <= kills; i++) {
    await sleep(300);
    const [victim = 0] = server.workers();
    server.kill('SIGKILL', victim);
    const { exit } = await server.hears('exit', i);
    assert.deepEqual([exit.pid, exit.exitCode, exit.signal], [victim, null, 'SIGKILL']);
    assert.deepEqual([exit.ready, exit.asked], [true, false]);
    assert.ok(exit.lived > 100, `lived ${exit.lived}`);
    assert.ok((exit.rusage?.maxRSS ?? 0) > 10_000, 'no rusage');
    await until('the successor', () => server.workers().length === 3);
  }
  const load = await cannon;
  const failed = clients.failures.length;
  const before = clients.requests;
  await until('further requests', () => clients.requests > before + 200);
  await clients.stop();
  // At most one request of each client at each kill; and all after the last one are answered.
  assert.ok(failed <= kills * 12, `${failed} failures`);
  assert.deepEqual(clients.failures.slice(failed), []);
  for (const code of clients.failures) assert.match(code, /^(ECONNRESET|EPIPE)$/);
  assert.ok(load.errors <= kills * 20 && load.non2xx === 0, JSON.stringify(load));
  await server.stops();
});

test('all workers serve', async (t) => {
  const server = await Preforked.ready(t, { options });
  const served = new Set<number>();
  for (let tries = 0; tries < 100 && served.size < 3; tries++) {
    const asked = Array.from({ length: 20 }, () => server.ask('/?ms=5'));
    for (const { pid } of await Promise.all(asked)) served.add(pid);
  }
  assert.deepEqual([...served].toSorted(), server.workers().toSorted());
  await server.stops();
});

test('reloads leave no descriptor behind', async (t) => {
  const server = await Preforked.ready(t);
  const table = () => Object.values(descriptors(server.pid)).sort();
  const settled = async (reloads: number) => {
    server.kill('SIGHUP');
    await until('the reload', () => server.exits().length === 3 * reloads);
  };
  await settled(1);
  const before = table();
  for (let i = 2; i <= 6; i++) await settled(i);
  const shape = (names: string[]) => names.map((name) => name.replace(/\d+/g, 'N'));
  await until('as before', () => table().length === before.length);
  assert.deepEqual(shape(table()), shape(before));
  await server.stops();
});
