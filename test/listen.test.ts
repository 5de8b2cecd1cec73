import assert from 'node:assert/strict';
import { once } from 'node:events';
import { closeSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { type AddressInfo, connect, createServer as createNetServer, type Server } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { listeningSocket, prefork } from 'daemonkit';
import { native } from '../lib/addon/native.js';
import { Preforked } from './tools/preforked.js';
import { scratch } from './tools/scratch.js';

const CLOEXEC = 0o2000000;
const NONBLOCK = 0o4000;

const flags = (fd: number) =>
  Number.parseInt(
    /flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '',
    8,
  );

async function serve(fd: number, t: { after(f: () => void): void }): Promise<Server> {
  const server = createNetServer((socket) => socket.end('hello')).listen({ fd });
  t.after(() => server.close());
  await once(server, 'listening');
  return server;
}

async function read(port: number, host: string): Promise<string> {
  let text = '';
  for await (const chunk of connect(port, host)) text += chunk;
  return text;
}

test('connections wait until somebody accepts them', async (t) => {
  const fd = listeningSocket({ port: 0 });
  assert.equal(flags(fd) & (CLOEXEC | NONBLOCK), CLOEXEC | NONBLOCK);
  const port = native.localPort(fd);
  const early = [read(port, '127.0.0.1'), read(port, '::1')];
  const first = await Promise.race([...early, sleep(200, 'waits')]);
  assert.equal(first, 'waits');
  await serve(fd, t);
  assert.deepEqual(await Promise.all(early), ['hello', 'hello']);
});

test('ipv6Only takes no IPv4 connection', async (t) => {
  const server = await serve(listeningSocket({ port: 0, host: '::', ipv6Only: true }), t);
  const { port } = server.address() as AddressInfo;
  assert.equal(await read(port, '::1'), 'hello');
  await assert.rejects(read(port, '127.0.0.1'), { code: 'ECONNREFUSED' });
});

test('failures leave no descriptor open', async (t) => {
  const server = await serve(listeningSocket({ port: 0, host: '127.0.0.1' }), t);
  const { port } = server.address() as AddressInfo;
  const next = listeningSocket({ port: 0 });
  closeSync(next);
  const failing = [
    [{ port, host: '127.0.0.1' }, 'EADDRINUSE', `127.0.0.1:${port}`],
    [{ port: 0, host: '192.0.2.1' }, 'EADDRNOTAVAIL', '192.0.2.1:0'],
    [{ path: '/proc/nowhere/socket' }, 'ENOENT', '/proc/nowhere/socket'],
    [{ path: `/tmp/${'x'.repeat(120)}` }, 'ENAMETOOLONG', `/tmp/${'x'.repeat(120)}`],
  ] as const;
  for (const [options, code, path] of failing) {
    assert.throws(() => listeningSocket(options), { code, syscall: 'listen', path });
  }
  const after = listeningSocket({ port: 0 });
  closeSync(after);
  assert.equal(after, next);
});

test('prefork() on a Unix domain socket, whose file goes with it', async (t) => {
  const path = join(scratch(t), 'socket');
  const server = await Preforked.ready(t, { options: { listen: { path } } });
  const sent = request({ socketPath: path }).end();
  const [response] = await once(sent, 'response');
  assert.equal(response.statusCode, 200);
  response.resume();
  assert.throws(() => listeningSocket({ path }), { code: 'EADDRINUSE' });
  await server.stops();
  assert.equal(existsSync(path), false);
});

test('a stale file is not taken for ours', (t) => {
  const path = join(scratch(t), 'file');
  writeFileSync(path, 'precious');
  assert.throws(() => listeningSocket({ path }), { code: 'EADDRINUSE', path });
  assert.equal(readFileSync(path, 'utf8'), 'precious');
});

test('wrong options are told before anything happens', (t) => {
  const type = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
  const value = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' };
  const range = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
  const sockets: [unknown, object][] = [
    [undefined, type],
    [{}, type],
    [{ port: '80' }, type],
    [{ port: 65536 }, range],
    [{ port: 1.5 }, range],
    [{ port: 0, host: 'localhost' }, value],
    [{ port: 0, path: '/x' }, value],
    [{ path: '' }, value],
    [{ path: 'a\0b' }, value],
    [{ port: 0, backlog: 0 }, range],
    [{ port: 0, hots: '::' }, value],
  ];
  for (const [options, error] of sockets) {
    assert.throws(() => listeningSocket(options as never), error, JSON.stringify(options));
  }
  const server = createServer();
  const listen = { port: 0 };
  const onWorkerStart = () => {};
  const listening = createServer().listen(0);
  t.after(() => listening.close());
  const preforks: [unknown, object][] = [
    [undefined, value],
    [null, type],
    [{}, value],
    [{ server }, type],
    [{ server: {}, listen }, type],
    [{ server: listening, listen }, value],
    [{ onWorkerStart: 1 }, type],
    // As the callbacks were called before 0.2.
    [{ onWorker: 1 }, { ...type, message: /"options\.onWorkerStart"/ }],
    [
      { onWorker: () => {}, onWorkerStart },
      { ...value, message: /former name of onWorkerStart/ },
    ],
    [{ onWorkerStart, listen: {} }, type],
    [{ onWorkerStart, listen: -1 }, range],
    [{ onWorkerStart, workers: 0 }, range],
    [{ onWorkerStart, workers: 1025 }, range],
    [{ onWorkerStart, respawn: 'yes' }, type],
    [{ onWorkerStart, respawn: { delay: 0 } }, range],
    [{ onWorkerStart, respawn: { dleay: 1 } }, value],
    [{ onWorkerStart, stopTimeout: 0 }, range],
    [{ onWorkerStart, stopSignals: {} }, type],
    [{ onWorkerStart, stopSignals: ['SIGKILL'] }, value],
    [{ onWorkerStart, reloadSignals: ['SIGNOPE'] }, value],
    [{ onWorkerStart, title: 1 }, type],
    [{ onWorkerStart, wrokers: 1 }, value],
  ];
  for (const [options, error] of preforks) {
    assert.throws(
      () => prefork(options as never),
      error,
      JSON.stringify(Object.keys(options ?? {})),
    );
  }
});
