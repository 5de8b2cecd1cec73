// What parent and child of a fork() share: docs/guide-what-fork-shares.md, statement by statement.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { reports } from './tools/run.js';

/** Runs a scenario against a server of this process. */
async function against<T>(server: Server, scenario: string): Promise<T> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    return await reports<T>('shares.js', [scenario, `${port}`]);
  } finally {
    server.close();
  }
}

test('a TLS session: destroy() in the child is quiet, end() and write() spoil it', async () => {
  const options = { ciphers: 'PSK', maxVersion: 'TLSv1.2', pskCallback: () => Buffer.alloc(32, 1) };
  const server = createTlsServer(options as object, (socket) => {
    socket.on('error', () => {}).pipe(socket);
  });
  assert.deepEqual(await against(server, 'tls'), [true, false, false]);
});

test('a connection: destroy() in the child is quiet, end() ends it for both', async () => {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  assert.deepEqual(await against(server, 'tcp'), [true, false]);
});

test('a keep-alive agent goes on in the parent when the child has destroyed it', async () => {
  const server = createHttpServer(({ socket }, response) => response.end(`${socket.remotePort}`));
  assert.equal(await against(server, 'agent'), true);
});

test('HTTP/2: the socket is destroyed quietly; a session that is says goodbye for both', async () => {
  const server = createHttp2Server((_request, response) => response.end('hello'));
  assert.deepEqual(await against(server, 'http2'), [true, false]);
});

test('a file has one offset; reads and writes at a position leave it alone', async () => {
  assert.deepEqual(await reports('shares.js', ['files']), ['3\n', '1\n2\n3\nparent\n']);
});

test('a timer of before is due in both, unless the child clears it', async () => {
  assert.deepEqual(await reports('shares.js', ['timers']), [1, 1]);
});
