// balance: 'reuseport': a queue for each seat, which the master holds.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { listeningSocket, prefork } from 'daemonkit';
import { native } from '../lib/addon/native.js';
import { until } from './tools/daemons.js';
import { often } from './tools/full.js';
import { autocannon, Clients, Preforked } from './tools/preforked.js';
import { descriptors, stat, status } from './tools/proc.js';

const options = { workers: 3, balance: 'reuseport' } as const;

/** Longer than any client may be kept waiting by the load of the machine. */
const patient = { idleTimeout: 120_000, stopTimeout: 240_000 };

/** The inodes of the sockets that listen on a port, as the kernel lists them. */
function listeners(port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const lines = readFileSync('/proc/net/tcp', 'utf8').split('\n');
  const found = lines.filter((text) => text.includes(`:${hex} 00000000:0000 0A`));
  return found.map((line) => `socket:[${line.trim().split(/\s+/)[9]}]`).sort();
}

/** Those of them that a process has open. */
function held(pid: number, port: number): string[] {
  try {
    const all = Object.values(descriptors(pid));
    return listeners(port).filter((socket) => all.includes(socket));
  } catch {
    return []; // it has ended
  }
}

function titleOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return ''; // it has ended
  }
}

/** A signal that is sent again while it waits to be taken comes once. */
async function twice(server: Preforked, signal: NodeJS.Signals): Promise<void> {
  server.kill(signal);
  await until('taken', () => /^0+$/.test(status(server.pid).ShdPnd ?? ''));
  server.kill(signal);
}

/** One request over a separate connection, by hand: connected now, answered later. */
function request(port: number): { connected: Promise<unknown>; answered: Promise<number> } {
  const socket = connect(port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  const answered = (async () => {
    let text = '';
    for await (const chunk of socket) text += chunk;
    return Number(/"pid":(\d+)/.exec(text)?.[1]);
  })();
  answered.catch(() => {});
  return { connected: once(socket, 'connect'), answered };
}

/** Clients with old connections, and clients with new ones. */
async function allWereAnswered(
  server: Preforked,
  clients: Clients,
  { errors, timeouts, non2xx, ...load }: Awaited<ReturnType<typeof autocannon>>,
): Promise<void> {
  await clients.stop();
  assert.deepEqual(clients.failures, []);
  assert.deepEqual({ errors, timeouts, non2xx }, { errors: 0, timeouts: 0, non2xx: 0 });
  assert.ok(load['2xx'] > 20, `autocannon made ${load['2xx']} requests`);
  await server.stops();
}

test('each worker has a socket of its own, the master all, and successors the same', async (t) => {
  const server = await Preforked.ready(t, { options });
  const sockets = listeners(server.port);
  assert.equal(sockets.length, 3);
  const seats = () => server.workers().map((pid) => held(pid, server.port));
  const one = (all: string[][]) => all.flat().sort();
  assert.deepEqual(held(server.pid, server.port), sockets);
  assert.deepEqual(one(seats()), sockets);

  const [victim = 0] = server.workers();
  const [orphan] = held(victim, server.port);
  const others = server.workers().slice(1);
  server.kill('SIGKILL', victim);
  const heirs = () => server.workers().filter((pid) => ![victim, ...others].includes(pid));
  const inherited = () => heirs().flatMap((pid) => held(pid, server.port));
  await until('the successor with its socket', () => inherited().join() === orphan);

  server.kill('SIGHUP');
  await until('the reload', () => server.exits().length === 4);
  assert.deepEqual(listeners(server.port), sockets);
  await until('one each', () => seats().every((own) => own.length === 1));
  assert.deepEqual(one(seats()), sockets);
  await server.stops();
  assert.deepEqual(listeners(server.port), []);
});

test('what waits in the queues of killed workers is answered by their successors', async (t) => {
  const server = await Preforked.ready(t, { options });
  const victims = server.workers();
  for (const pid of victims) server.kill('SIGSTOP', pid);
  await until('they stand still', () => victims.every((pid) => stat(pid)[0] === 'T'));
  const requests = Array.from({ length: 24 }, () => request(server.port));
  await Promise.all(requests.map(({ connected }) => connected));
  for (const pid of victims) server.kill('SIGKILL', pid);
  const pids = await Promise.all(requests.map(({ answered }) => answered));
  const workers = server.workers();
  for (const pid of pids) assert.ok(workers.includes(pid) && !victims.includes(pid), `${pid}`);
  await server.stops();
});

test('nothing new waits at a seat whose worker is gone', async (t) => {
  // Not replaced within this test, as it has failed.
  const respawn = { minUptime: 600_000, delay: 600_000, maxDelay: 600_000 };
  const server = await Preforked.ready(t, { options: { ...options, respawn } });
  const [victim = 0, ...others] = server.workers();
  server.kill('SIGKILL', victim);
  await server.hears('exit');
  const answeredAll = async () => {
    const asked = Array.from({ length: 20 }, () => request(server.port).answered);
    const late = sleep(2000, undefined, { ref: false });
    return Promise.race([Promise.all(asked), late]);
  };
  // What came before the master knew waits.
  let pids: number[] | undefined;
  for (let tries = 0; pids === undefined && tries < 10; tries++) pids = await answeredAll();
  assert.ok(pids !== undefined, 'connections go on to wait for nobody');
  for (const pid of pids) assert.ok(others.includes(pid));
  await server.stops();
});

test('no request fails over reloads, and over workers that leave', async (t) => {
  const server = await Preforked.ready(t, { options: { ...options, ...patient } });
  const clients = new Clients(server, 8);
  const fresh = autocannon(server.port, 3, ['--reconnectRate', '2']);
  await until('the first generation', () => clients.generations.has(0));
  for (let reloads = 1; reloads <= 2; reloads++) {
    server.kill('SIGHUP');
    await until(`reload ${reloads}`, () => server.exits().length === 3 * reloads);
  }
  for (let left = 1; left <= 2; left++) {
    server.kill('SIGTERM', server.workers()[0]);
    await until(`worker ${left} has left`, () => server.exits().length === 6 + left);
  }
  await allWereAnswered(server, clients, await fresh);
});

test('fewer workers: nothing that waits at the seats given up is lost, and they get nothing new', async (t) => {
  const server = await Preforked.ready(t, {
    options: { ...options, ...patient, workers: 4, title: 't' },
  });
  const sockets = listeners(server.port);
  const fresh = autocannon(server.port, 4, ['--reconnectRate', '2']);
  const clients = new Clients(server, 8);
  for (let round = 1; round <= often(2, 1); round++) {
    await until('further answers', () => clients.answers.size >= 2);
    // Two of them have what waits when they go: they do not see it.
    const upper = () => server.workers().filter((pid) => /worker [34]/.test(titleOf(pid)));
    await until('the upper seats are taken', () => upper().length === 2);
    const last = upper();
    for (const pid of last) server.kill('SIGSTOP', pid);
    await until('they stand still', () => last.every((pid) => stat(pid)[0] === 'T'));
    const requests = Array.from({ length: 16 }, () => request(server.port));
    await Promise.all(requests.map(({ connected }) => connected));
    await twice(server, 'SIGTTOU');
    const answered = requests.map((one) => one.answered);
    // The worker that stands still is for its seat's new one no reason to wait.
    assert.ok((await Promise.all(answered)).every((pid) => pid > 0 && !last.includes(pid)));
    for (const pid of last) server.kill('SIGCONT', pid);
    await until('two are left', () => server.workers().length === 2);
    const left = server.workers();
    const asked = await Promise.all(Array.from({ length: 16 }, () => server.ask()));
    for (const { pid } of asked) assert.ok(left.includes(pid));
    await twice(server, 'SIGTTIN');
    await until('four again', () => server.workers().length === 4);
  }
  assert.deepEqual(listeners(server.port), sockets);
  await allWereAnswered(server, clients, await fresh);
});

test('descriptors of the program: a queue each, made before', async (t) => {
  const first = listeningSocket({ port: 0, host: '127.0.0.1', reusePort: true });
  const port = native.localPort(first);
  const more = () => listeningSocket({ port, host: '127.0.0.1', reusePort: true });
  const second = more();
  t.after(() => {
    for (const fd of [first, second]) closeSync(fd);
  });
  assert.equal(listeners(port).length, 2);
  assert.throws(() => listeningSocket({ port, host: '127.0.0.1' }), { code: 'EADDRINUSE' });
  // The holder must be the only one.
  const own = { port, host: '127.0.0.1' };
  const before = readdirSync('/proc/self/fd').length;
  assert.throws(() => prefork({ onWorkerStart() {}, listen: own, balance: 'reuseport' }), {
    code: 'EADDRINUSE',
    syscall: 'listen',
  });
  assert.equal(readdirSync('/proc/self/fd').length, before);
  const server = await Preforked.ready(t, { options, queues: 2 });
  assert.equal(listeners(server.port).length, 2);
  const seats = server.workers().map((pid) => held(pid, server.port));
  assert.deepEqual([...new Set(seats.flat())].sort(), listeners(server.port));
  assert.ok(seats.every((own) => own.length === 1));
  assert.ok(server.workers().includes((await server.ask()).pid));
  await server.stops();
});

test('what has no queues is refused', () => {
  const onWorkerStart = () => {};
  const fd = listeningSocket({ port: 0, reusePort: true });
  const value = { code: 'ERR_INVALID_ARG_VALUE' };
  const wrong: [object, object][] = [
    [{ balance: 'roundrobin', listen: { port: 0 } }, value],
    [{ balance: 'reuseport' }, { ...value, message: /needs listen/ }],
    [
      { balance: 'reuseport', listen: { path: '/x' } },
      { ...value, message: /a Unix socket/ },
    ],
    [
      { balance: 'reuseport', listen: fd },
      { ...value, message: /array of descriptors/ },
    ],
    [{ balance: 'reuseport', listen: { port: 0, reusePort: true } }, value],
    [{ balance: 'reuseport', listen: [] }, value],
    [{ balance: 'reuseport', listen: [fd, fd] }, value],
    [{ balance: 'reuseport', listen: [fd, fd + 1], workers: 1 }, { code: 'ERR_OUT_OF_RANGE' }],
    [{ balance: 'reuseport', listen: ['x'] }, { code: 'ERR_INVALID_ARG_TYPE' }],
    [{ listen: [fd] }, { ...value, message: /balance: 'reuseport'/ }],
    [{ listen: 'x' }, { code: 'ERR_INVALID_ARG_TYPE' }],
  ];
  for (const [options, error] of wrong) {
    assert.throws(
      () => prefork({ onWorkerStart, ...options } as never),
      error,
      `${Object.entries(options)}`,
    );
  }
  assert.throws(() => listeningSocket({ path: '/x', reusePort: true } as never), value);
  closeSync(fd);
});
