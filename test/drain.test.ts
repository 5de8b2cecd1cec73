// How a server of HTTP/1.1 or of net ends, in this process: what its clients see.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http from 'node:http';
import * as https from 'node:https';
import * as net from 'node:net';
import { test } from 'node:test';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { cert, key } from './tools/certificate.js';
import { until } from './tools/daemons.js';
import { counted, drained, get, raw, slowly } from './tools/drained.js';

for (const secure of [false, true]) {
  const name = secure ? 'https' : 'http';
  const make = (listener: http.RequestListener) =>
    secure ? https.createServer({ key, cert }, listener) : http.createServer(listener);

  test(`${name}: pipelined requests are all answered, the last one with close`, async (t) => {
    const { listener, begun } = counted(slowly);
    const { port, end } = await drained(t, make(listener));
    const [early, batch, pieces] = [raw(port, secure), raw(port, secure), raw(port, secure)];
    early.socket.write(get('/300') + get('/310') + get('/320'));
    // Kept alive, when the server begins to end.
    for (const { socket } of [batch, pieces]) socket.write(get('/0'));
    await until('answers', () => batch.answers() === 1 && pieces.answers() === 1);
    await until('the request', () => begun() > 2);
    const ended = end();
    batch.socket.write(
      get('/0').repeat(20) +
        'POST /0 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello' +
        get('/2'),
    );
    const whole = get('/0').repeat(3) + get('/5');
    pieces.socket.write(whole.slice(0, 70));
    await sleep(20);
    pieces.socket.write(whole.slice(70));
    await Promise.all([ended, early.closed, batch.closed, pieces.closed]);
    assert.deepEqual([early.answers(), batch.answers(), pieces.answers()], [3, 23, 5]);
    for (const client of [early, batch, pieces]) {
      const closes = client.text().split('Connection: close').length - 1;
      assert.equal(closes, 1, client.text());
      assert.match(client.text().split('HTTP/1.1 ').at(-1) ?? '', /Connection: close/);
      assert.equal(client.failure.code, undefined);
    }
  });

  test(`${name}: an upload under way is taken to its end, also if it was answered before`, async (t) => {
    const bodies: number[] = [];
    const { listener, begun } = counted(async (request, response) => {
      if (request.url === '/early') response.end('early');
      let size = 0;
      for await (const chunk of request) size += (chunk as Buffer).length;
      bodies.push(size);
      response.end('late');
    });
    const { port, end } = await drained(t, make(listener));
    const head = 'Host: a\r\nTransfer-Encoding: chunked\r\n\r\n';
    const clients = ['/late', '/early'].map((path) => {
      const client = raw(port, secure);
      client.socket.write(`POST ${path} HTTP/1.1\r\n${head}`);
      return client;
    });
    const chunk = `3e8\r\n${'x'.repeat(1000)}\r\n`;
    await until('both', () => begun() === 2);
    const ended = end(100);
    for (let i = 0; i < 10; i++) {
      for (const { socket } of clients) socket.write(chunk);
      await sleep(50);
    }
    for (const { socket } of clients) socket.write('0\r\n\r\n');
    await Promise.all([ended, ...clients.map(({ closed }) => closed)]);
    assert.deepEqual(bodies, [10_000, 10_000]);
    for (const { failure, answers } of clients)
      assert.deepEqual([failure.code, answers()], [undefined, 1]);
  });

  test(`${name}: silent connections are closed, those that still send are not`, async (t) => {
    const { port, end, sockets } = await drained(t, make(slowly));
    const silent = raw(port, secure);
    const slow = raw(port, secure);
    const handshake = net
      .connect(port, '127.0.0.1')
      .on('error', () => {})
      .resume();
    const shut = once(handshake, 'close');
    await until('connections', () => sockets.size === 3);
    const text = get('/0', 'X: y\r\n'.repeat(3));
    slow.socket.write(text.slice(0, 1));
    await sleep(50);
    const ended = end(200);
    for (const letter of text.slice(1)) {
      slow.socket.write(letter);
      await sleep(10);
    }
    await Promise.all([ended, silent.closed, slow.closed, shut]);
    assert.deepEqual([silent.answers(), slow.answers(), slow.failure.code], [0, 1, undefined]);
  });

  test(`${name}: a request that comes while the event loop is busy is no silence`, async (t) => {
    const { port, end, sockets } = await drained(t, make(slowly));
    const client = raw(port, secure);
    client.socket.write(get('/0'));
    await until('an answer', () => client.answers() === 1);
    const ended = end(150);
    // Where the loop looks at the timers next, before it looks at sockets: as after a request's own work.
    await setImmediate();
    client.socket.write(get('/0'));
    // Beyond the silence; the server can read it afterwards only.
    for (const busy = performance.now() + 400; performance.now() < busy; );
    await Promise.all([ended, client.closed]);
    assert.deepEqual([client.answers(), client.failure.code, sockets.size], [2, undefined, 1]);
  });

  test(`${name}: the last answer is not lost to a reset`, async (t) => {
    const size = 400_000;
    const { listener, begun } = counted(async (_, response) => {
      await sleep(100);
      response.end(Buffer.alloc(size, 'x'));
    });
    const { port, end } = await drained(t, make(listener));
    const client = raw(port, secure);
    if (secure) await once(client.socket, 'secureConnect');
    client.socket.pause();
    client.socket.write(get('/'));
    await until('the request', () => begun() === 1);
    const ended = end();
    await sleep(200);
    // To a socket that is closed: answered with a reset, and what was not read yet is thrown away.
    client.socket.write('GET / HTTP/1.1\r\n');
    await sleep(50);
    client.socket.resume();
    await Promise.all([ended, client.closed]);
    assert.ok(
      client.text().length > size,
      `${client.text().length} bytes came, ${client.failure.code}`,
    );
  });
}

test("who has left HTTP goes on: 'upgrade' and 'connect' listeners of before and after", async (t) => {
  const server = http.createServer(slowly);
  const echo = (_: unknown, socket: net.Socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n',
    );
    socket.on('data', (bytes) => socket.write(bytes)).on('end', () => socket.end());
    socket.on('error', () => {});
  };
  server.on('upgrade', echo);
  const { port, end, isEnded } = await drained(t, server);
  server.on('connect', echo);
  const upgraded = raw(port);
  upgraded.socket.write(get('/', 'Connection: Upgrade\r\nUpgrade: echo\r\n'));
  const tunnel = raw(port);
  tunnel.socket.write('CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n');
  await until('both', () => upgraded.answers() === 1 && tunnel.answers() === 1);
  const ended = end(50);
  await sleep(300);
  for (const { socket } of [upgraded, tunnel]) socket.write('still here');
  await until('echoes', () =>
    [upgraded, tunnel].every(({ text }) => text().endsWith('still here')),
  );
  assert.equal(isEnded(), false);
  for (const { socket } of [upgraded, tunnel]) socket.end();
  await ended;
});

test("requests that 'checkContinue' and 'checkExpectation' listeners answer are waited for", async (t) => {
  const server = http.createServer(slowly);
  const { port, end } = await drained(t, server);
  const { listener, begun } = counted(slowly);
  server.on('checkContinue', (request, response) => {
    response.writeContinue();
    listener(request, response);
  });
  server.on('checkExpectation', listener);
  const clients = ['100-continue', 'nonsense'].map((expect) => {
    const client = raw(port);
    client.socket.write(
      `PUT /400 HTTP/1.1\r\nHost: a\r\nExpect: ${expect}\r\nContent-Length: 1\r\n\r\nx`,
    );
    return client;
  });
  await until('both', () => begun() === 2);
  await Promise.all([end(50), ...clients.map(({ closed }) => closed)]);
  for (const { text, failure } of clients) {
    assert.equal(failure.code, undefined);
    assert.match(text(), /HTTP\/1\.1 200 OK.*Connection: close.*\/400/s);
  }
});

test('a net server: its connections are its own to end', async (t) => {
  const { port, end, isEnded, sockets } = await drained(
    t,
    net.createServer((socket) => socket.resume()),
  );
  const client = raw(port);
  await until('the connection', () => sockets.size === 1);
  const ended = end(20);
  await sleep(200);
  assert.equal(isEnded(), false);
  client.socket.end();
  await ended;
});
