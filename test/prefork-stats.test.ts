// A master's reports about its workers: stats(), the diagnostics channels, daemonkit status
// --workers.
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { get } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2 } from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import type { PreforkWorkerMessage, WorkerStats } from 'daemonkit';
import { Drain } from '../lib/prefork/drain/drain.js';
import { Tally } from '../lib/prefork/drain/tally.js';
import { publishChanges } from '../lib/prefork/watch/published.js';
import { Line, recordOf, reportIn } from '../lib/prefork/worker/line.js';
import { socketpair } from '../lib/system/socketpair.js';
import { daemonkit, starts, writeApp } from './tools/cli.js';
import { Nest, until } from './tools/daemons.js';
import { childrenOf, descriptors } from './tools/proc.js';
import { Watched } from './tools/watched.js';
import { World } from './tools/world.js';

const sum = (workers: readonly WorkerStats[], of: keyof WorkerStats) =>
  workers.reduce((total, worker) => total + Number(worker[of]), 0);

test('stats(): what workers do, and what has become of those before them', async (t) => {
  const server = await Watched.start(t);
  for (let i = 0; i < 30; i++) await server.knock('/');
  const held = get({ port: server.port, host: '127.0.0.1', path: '/hold', agent: false });
  held.on('error', () => {});
  const idle = connect(server.port, '127.0.0.1');
  await once(idle, 'connect');
  const { workers, ...master } = await server.sees(
    'all is counted',
    (all) =>
      sum(all, 'requests') === 31 &&
      sum(all, 'requestsUnderWay') === 1 &&
      sum(all, 'connections') === 2,
  );
  assert.deepEqual(master, { pid: server.pid, state: 'running', generation: 0, seats: 2 });
  const pids = workers.map(({ pid }) => pid);
  assert.deepEqual(pids.toSorted(), childrenOf(server.pid).toSorted());
  for (const [at, worker] of workers.entries()) {
    const { id, generation, state, restarts, lastExit, uptime, privateBytes, pss } = worker;
    assert.deepEqual([id, generation, state, restarts, lastExit], [at + 1, 0, 'ready', 0, null]);
    assert.ok(uptime > 0);
    // Most of it is the master's, and shared.
    assert.ok(Number(privateBytes) > 1e5 && Number(pss) > Number(privateBytes));
  }
  held.destroy();
  idle.destroy();
  await server.sees('they are gone', (all) => sum(all, 'connections') === 0);
  const victim = await server.knock('/');
  await server.knock('/die').catch(() => {});
  const after = await server.sees(
    'the seat is filled anew',
    (all) => sum(all, 'restarts') === 1 && all.every(({ state }) => state === 'ready'),
  );
  const seat = after.workers.find(({ restarts }) => restarts === 1);
  assert.deepEqual([seat?.lastExit?.exitCode, seat?.lastExit?.signal], [7, null]);
  assert.ok(pids.includes(Number(seat?.lastExit?.pid)) && !pids.includes(seat?.pid ?? 0));
  assert.ok(pids.includes(victim));
  server.kill('SIGHUP');
  await server.sees('a reload is no restart', (all) =>
    all.every(({ generation, state }) => generation === 1 && state === 'ready'),
  );
  assert.equal(sum(server.stats?.workers ?? [], 'restarts'), 1);
  await server.stops();
  assert.equal(server.events('finished').length, 1);
});

test('the channels tell of each change of state', async (t) => {
  const server = await Watched.start(t);
  const [first = 0, second = 0] = (await server.hears('ready')).pids;
  await server.knock('/die').catch(() => {});
  await until('replaced', () => server.happened('ready').length === 3);
  server.kill('SIGHUP');
  await until('reloaded', () => server.masters().filter((m) => m.state === 'running').length === 2);
  await server.stops();
  const states = server.masters().map(({ state }) => state);
  assert.deepEqual(new Set(states), new Set(['running', 'reloading', 'stopping', 'ended']));
  assert.equal(states.at(-1), 'ended');
  assert.equal(server.masters().at(-1)?.generation, 1);
  for (const event of ['forked', 'ready', 'ended'] as const) {
    const pids = server.happened(event).map(({ pid }) => pid);
    assert.equal(new Set(pids).size, 5, event);
    assert.ok(pids.includes(first) && pids.includes(second), event);
    assert.ok(server.happened(event).every(({ master }) => master === server.pid));
  }
  // The one that died did not leave.
  assert.equal(server.happened('leaving').length, 4);
  for (const message of server.happened('ended')) {
    assert.ok(message.event === 'ended' && message.exit.pid === message.pid);
  }
});

test('a worker that was asked to end before it was ready is told as one that leaves', () => {
  const said: unknown[] = [];
  const hear = (message: unknown) => said.push((message as PreforkWorkerMessage).event);
  subscribe('daemonkit:prefork:worker', hear);
  const world = new World({ seats: 1 });
  publishChanges(undefined, world.state);
  for (const happened of [() => world.stop(), () => world.ready(100), () => world.dies(100)]) {
    const before = world.state;
    happened();
    publishChanges(before, world.state);
  }
  unsubscribe('daemonkit:prefork:worker', hear);
  assert.deepEqual(said, ['forked', 'leaving']);
});

test('status --workers reads it from outside, also when the master stands still', async (t) => {
  const nest = new Nest(t);
  writeApp(
    nest,
    'app.mjs',
    `import { createServer } from 'node:http';
    const server = createServer((request, response) => response.end());
    const master = daemonkit.prefork({ workers: 2, listen: { port: 0 }, server, title: 'shop' });
    void master.finished.then(() => process.exit());`,
  );
  const pid = await starts(nest, ['start', '--pidfile', 'd.pid', 'app.mjs']);
  const ask = async (...args: string[]) =>
    daemonkit(nest, ['status', '--pidfile', 'd.pid', '--workers', ...args]);
  const data = async () => JSON.parse((await ask('--json')).stdout);
  let told = await data();
  for (let i = 0; i < 200 && !isWhole(told); i++) told = await data();
  assert.deepEqual([told.ok, told.pid, told.source], [true, pid, 'master']);
  assert.deepEqual(told.masters, [{ pid, state: 'running', generation: 0, seats: 2 }]);
  const pids = told.workers.map((one: WorkerStats) => one.pid);
  assert.deepEqual(pids.toSorted(), childrenOf(pid).toSorted());
  for (const worker of told.workers) assert.ok(worker.privateBytes > 1e5 && worker.pss > 0);
  process.kill(pid, 'SIGSTOP');
  assert.deepEqual(
    (await data()).workers.map((one: WorkerStats) => one.pid),
    pids,
  );
  process.kill(pid, 'SIGCONT');
  const { code, stdout } = await ask();
  const [line, titles, ...rows] = stdout.trim().split('\n');
  assert.equal(code, 0);
  assert.match(line ?? '', new RegExp(`^running as process ${pid}`));
  assert.match(titles ?? '', /^SEAT +PID +GEN +STATE +UPTIME +REQUESTS .*LAST EXIT$/);
  assert.deepEqual(
    rows.map((row) => Number(row.split(/ +/)[1])),
    pids,
  );
  // Only the master has it open.
  for (const one of [pid, ...pids]) {
    const boards = Object.values(descriptors(one)).filter((to) => to.includes('daemonkit-prefork'));
    assert.equal(boards.length, one === pid ? 1 : 0);
  }
  await nest.end(pid);
  assert.match((await ask()).stdout, /^not running\n$/);
});

const isWhole = ({ source, workers }: { source: string; workers: WorkerStats[] }) =>
  source === 'master' && workers.length === 2 && workers.every(({ state }) => state === 'ready');

test('status --workers of a daemon without a master tells of its children', async (t) => {
  const nest = new Nest(t);
  const sleeper = "require('node:child_process').spawn('sleep', ['600']);";
  writeApp(nest, 'app.cjs', sleeper);
  const pid = await starts(nest, ['start', '--pidfile', 'd.pid', 'app.cjs']);
  const { stdout } = await daemonkit(nest, ['status', '--pidfile', 'd.pid', '--workers']);
  assert.match(stdout, /no prefork master/);
  assert.match(stdout, new RegExp(`^${childrenOf(pid)[0]} .* sleep 600$`, 'm'));
});

test('HTTP/2: streams are requests', async () => {
  const tally = new Tally();
  const server = createHttp2((request, response) => {
    if (request.url !== '/hold') response.end();
  });
  new Drain(server, tally);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  for (let i = 0; i < 3; i++) await once(session.request({ ':path': '/' }).resume(), 'close');
  const held = session.request({ ':path': '/hold' });
  await until('all have come', () => tally.requests === 4);
  await until('three are answered', () => tally.load().underWay === 1);
  assert.equal(tally.load().connections, 1);
  held.close();
  await until('none is under way', () => tally.load().underWay === 0);
  session.close();
  server.close();
  await until('it is gone', () => tally.load().connections === 0);
});

test('reports take no room from words, and a master takes nothing that is none', async () => {
  const [masters, workers] = socketpair(true);
  const heard: string[] = [];
  const worker = new Line(
    workers,
    () => {},
    () => {},
    false,
  );
  const figures = { requests: 1, requestsUnderWay: 0, connections: 2, eventLoopDelay: 0.5 };
  const record = recordOf({ ...figures, inspected: false });
  const sent = Array.from({ length: 5000 }, () => worker.report(record));
  assert.equal(sent.filter(Boolean).length, 1, 'one that is not read is enough');
  worker.say('ready');
  worker.say('leaving');
  const master = new Line(
    masters,
    (word) => heard.push(word),
    () => {},
    true,
  );
  await until('all is heard', () => heard.length === 3);
  assert.deepEqual(heard, [record, 'ready', 'leaving']);
  assert.equal(worker.report(record), true);
  assert.deepEqual(reportIn(record), { ...figures, inspected: false });
  const weighed = { ...figures, inspected: true, memory: { privateBytes: 2 ** 40, pss: 2 ** 41 } };
  assert.deepEqual(reportIn(recordOf(weighed)), weighed);
  for (const bad of [
    '',
    'beat',
    'beat 1 2 3 4',
    'beat 1 2 3 -4 0',
    'beat 1 2 x 4 0',
    'beat 1 2 3 4 0 5',
    'beat 1 2 3 4 0 5 -6',
    'ready 1 2 3 4 0',
  ])
    assert.equal(reportIn(bad), undefined, bad);
  worker.close();
  master.close();
});
