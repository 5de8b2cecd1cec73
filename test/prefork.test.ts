import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from './tools/daemons.js';
import { Preforked } from './tools/preforked.js';
import { descriptors, processGroup, runningIn } from './tools/proc.js';

/** The descriptors that a process's event loops watch. */
function watched(pid: number): number[] {
  const epolls = Object.entries(descriptors(pid)).filter(
    ([, to]) => to === 'anon_inode:[eventpoll]',
  );
  const infos = epolls.map(([fd]) => readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1'));
  return infos.flatMap((info) => [...info.matchAll(/^tfd:\s*(\d+)/gm)].map(([, fd]) => Number(fd)));
}

/** The inode of the socket that listens on a port, as the kernel lists it. */
function listener(port: number): string {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const lines = readFileSync('/proc/net/tcp', 'utf8').split('\n');
  const line = lines.find((text) => text.includes(`:${hex} 00000000:0000 0A`));
  return `socket:[${line?.trim().split(/\s+/)[9]}]`;
}

const refused = (port: number) =>
  new Promise<string>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => resolve('connected')).on('error', (e) => resolve(`${e}`));
    socket.on('connect', () => socket.destroy());
  });

test('workers are children that share the socket; the master does not accept', async (t) => {
  const server = await Preforked.ready(t, { options: { title: 'shop' } });
  const workers = server.workers();
  assert.equal(workers.length, 3);
  assert.deepEqual((await server.hears('ready')).pids.toSorted(), workers.toSorted());
  const socket = listener(server.port);
  for (const pid of [server.pid, ...workers]) {
    const fds = Object.entries(descriptors(pid)).filter(([, target]) => target === socket);
    assert.equal(fds.length, 1, `${pid} has ${fds.length} descriptors of the socket`);
    assert.equal(watched(pid).includes(Number(fds[0]?.[0])), pid !== server.pid);
  }
  const { pid, ppid, title, loaded, id } = await server.ask();
  assert.ok(workers.includes(pid));
  assert.deepEqual(
    [ppid, loaded, title],
    [server.pid, 'loaded by the master', `shop: worker ${id}`],
  );
  const shown = readFileSync(`/proc/${server.pid}/cmdline`, 'latin1').replaceAll('\0', '');
  assert.equal(shown, 'shop: master');
  await server.stops();
});

test('stop: what is under way is answered, what is silent is closed, the rest refused', async (t) => {
  const server = await Preforked.ready(t, { options: { idleTimeout: 300 } });
  const agent = new Agent({ keepAlive: true });
  await server.ask('/', agent);
  const slow = server.ask('/?after=800');
  await server.hears('begun');
  server.kill('SIGTERM');
  await server.hears('ending', 3);
  // They have begun to end; the last of them closes its socket in a moment.
  while (!/ECONNREFUSED/.test(await refused(server.port))) await sleep(10);
  const answer = await slow;
  assert.equal(answer.connection, 'close');
  agent.destroy();
  assert.deepEqual(await server.ended, [0, null], server.stderr);
  assert.equal(server.events('stopped').length, 3);
  assert.equal(server.events('finished').length, 1);
  for (const { exitCode, signal, asked } of server.exits()) {
    assert.deepEqual([exitCode, signal, asked], [0, null, true]);
  }
  assert.deepEqual(processGroup(server.pid), []);
});

test('a kept-alive connection is not closed between two requests', async (t) => {
  const server = await Preforked.ready(t, {
    options: { workers: 1, idleTimeout: 30_000, stopTimeout: 60_000 },
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  assert.equal((await server.ask('/', agent)).connection, 'keep-alive');
  server.kill('SIGTERM');
  await server.hears('ending');
  assert.equal((await server.ask('/', agent)).connection, 'close');
  agent.destroy();
  assert.deepEqual(await server.ended, [0, null]);
});

for (const [what, bytes, pause] of [
  ['a reset', 400_000, 100],
  ['impatience', 20_000_000, 1800],
] as const) {
  test(`the last answer of a connection is not lost to ${what}`, async (t) => {
    const server = await Preforked.ready(t, { options: { workers: 1 } });
    const client = connect(server.port, '127.0.0.1').pause();
    client.write(`GET /big?after=100&bytes=${bytes} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    await server.hears('begun');
    server.kill('SIGTERM');
    await server.hears('ending');
    await sleep(400);
    // The answer waits in the kernel, most of it on the server's side. What is sent to a socket that
    // is closed is answered with a reset, and the rest thrown away.
    client.write('GET / HTTP/1.1\r\n');
    await sleep(pause);
    let size = 0;
    for await (const chunk of client) size += (chunk as Buffer).length;
    assert.ok(size > bytes, `${size} bytes came`);
    assert.deepEqual(await server.ended, [0, null]);
  });
}

test('a request longer than the deadline is cut off; the worker still exits by itself', async (t) => {
  const server = await Preforked.ready(t, { options: { workers: 1, stopTimeout: 400 } });
  const cut = assert.rejects(server.ask('/?after=60000'), { code: 'ECONNRESET' });
  await server.hears('begun');
  await server.stops();
  await cut;
  assert.deepEqual([server.exits()[0]?.exitCode, server.exits()[0]?.signal], [0, null]);
});

for (const worker of ['spin', 'deaf'] as const) {
  test(`a worker that hangs is killed at the deadline (${worker})`, async (t) => {
    const server = await Preforked.ready(t, { worker, options: { stopTimeout: 300, workers: 2 } });
    // One hangs before it gets the request, the other when it gets it.
    const hanging =
      worker === 'spin' ? get({ port: server.port, host: '127.0.0.1', path: '/spin' }) : undefined;
    hanging?.on('error', () => {});
    if (hanging !== undefined) await server.hears('begun');
    await server.stops();
    const signals = server.exits().map(({ signal }) => signal);
    assert.ok(signals.includes('SIGKILL'), `${signals}`);
    assert.ok(server.exits().every(({ asked }) => asked));
  });
}

test('the workers end when the master is killed, after the requests under way', async (t) => {
  const server = await Preforked.ready(t);
  const slow = server.ask('/?after=300');
  await server.hears('begun');
  server.kill('SIGKILL');
  assert.deepEqual(await server.ended, [null, 'SIGKILL']);
  assert.equal((await slow).loaded, 'loaded by the master');
  const living = () => runningIn(server.pid);
  await until('no orphan', () => living().length === 0);
  assert.match(await refused(server.port), /ECONNREFUSED/);
});

test('signals of the terminal and of the group are the masters to act on', async (t) => {
  const server = await Preforked.ready(t);
  process.kill(-server.pid, 'SIGHUP');
  await until('one reload', () => server.exits().length === 3);
  process.kill(-server.pid, 'SIGINT');
  assert.deepEqual(await server.ended, [0, null], server.stderr);
  assert.equal(server.events('reload').length, 1);
  assert.deepEqual(server.events('worker heard SIGHUP'), []);
  assert.deepEqual(
    server.exits().map(({ signal }) => signal),
    new Array(6).fill(null),
  );
});

test('a worker that retires is replaced at once', async (t) => {
  const options = { workers: 1, respawn: { minUptime: 1, delay: 60_000, maxDelay: 60_000 } };
  const server = await Preforked.ready(t, { options });
  const { pid } = await server.ask('/retire');
  const { exit } = await server.hears('exit');
  assert.deepEqual([exit.pid, exit.exitCode, exit.asked, exit.id], [pid, 0, false, 1]);
  assert.notEqual((await server.ask()).pid, pid);
  await server.stops();
});

test('a worker that dies after a reload is replaced as before', async (t) => {
  const server = await Preforked.ready(t);
  server.kill('SIGHUP');
  await until('the reload', () => server.exits().length === 3 && server.workers().length === 3);
  const [victim = 0, ...others] = server.workers();
  server.kill('SIGKILL', victim);
  await server.hears('exit', 4);
  await until('another', () => server.workers().length === 3);
  assert.ok(others.every((pid) => server.workers().includes(pid)));
  await server.stops();
});

test('attempts: the master gives up, and says so', async (t) => {
  const options = { workers: 2, respawn: { delay: 10, attempts: 4 } };
  const server = new Preforked(t, { worker: 'throw', options });
  const [code] = await server.ended;
  assert.equal(code, 1);
  assert.match(server.stderr, /this worker fails[\s\S]*ERR_WORKERS_FAILED/);
  assert.equal((await server.hears('not ready')).code, 'ERR_WORKERS_FAILED');
  assert.equal(server.exits().length, 4);
  assert.deepEqual(processGroup(server.pid), []);
});

test('respawn: false, and the master ends with the last worker', async (t) => {
  const server = await Preforked.ready(t, { options: { respawn: false, workers: 2 } });
  for (const pid of server.workers()) server.kill('SIGKILL', pid);
  assert.deepEqual(await server.ended, [0, null]);
  assert.deepEqual(
    server.exits().map(({ signal }) => signal),
    ['SIGKILL', 'SIGKILL'],
  );
});

test('a worker that is not ready in time is killed', async (t) => {
  const options = { workers: 1, readyTimeout: 300 };
  const server = new Preforked(t, { worker: 'wait', options });
  const { exit } = await server.hears('exit');
  assert.deepEqual([exit.signal, exit.ready, exit.asked], ['SIGKILL', false, false]);
  await server.stops();
});

for (const [what, setup] of [
  ['onMasterReload', { badReload: true }],
  ['a new worker', { worker: 'dieReloaded' }],
] as const) {
  test(`a reload that fails (${what}) leaves the old workers serving`, async (t) => {
    const server = await Preforked.ready(t, setup);
    const workers = server.workers();
    server.kill('SIGHUP');
    assert.match((await server.hears('error')).message, /this reload fails|before it was ready/);
    await until('only the old ones', () => server.workers().length === 3);
    assert.deepEqual(server.workers().toSorted(), workers.toSorted());
    assert.ok(workers.includes((await server.ask()).pid));
    await server.stops();
  });
}

test('a fork of the master that is no worker leaves the workers alone', async (t) => {
  const server = await Preforked.ready(t, { master: 'forks' });
  const child = (await server.hears('child')) as unknown as { exitCode: number };
  assert.equal(child.exitCode, 0);
  assert.deepEqual(server.events('a copy of the master stopped the workers'), []);
  assert.deepEqual(server.exits(), []);
  assert.equal(server.workers().length, 3);
  await server.stops();
});
