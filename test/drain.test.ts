// How a server ends, in this process: what its clients see.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http from 'node:http';
import * as http2 from 'node:http2';
import * as https from 'node:https';
import * as net from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as tls from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Drain } from '../lib/prefork/drain.js';
import { cert, key } from './tools/certificate.js';
import { until } from './tools/daemons.js';

/** A server that listens and has a drain; it and its connections do not outlive the test. */
async function drained<S extends net.Server>(t: TestContext, server: S) {
  const drain = new Drain(server);
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  let ended = false;
  const end = (silence = 300) =>
    drain.end(silence).then(() => {
      ended = true;
    });
  return { server, port, end, isEnded: () => ended, sockets };
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Sends bytes and collects what comes until the other side ends. */
function raw(port: number, secure = false) {
  const options = { port, host: '127.0.0.1', rejectUnauthorized: false };
  const socket = secure ? tls.connect(options) : net.connect(options);
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  const failure: { code?: string | undefined } = {};
  socket.on('error', ({ code }: NodeJS.ErrnoException) => {
    failure.code = code;
  });
  const closed = once(socket, 'close');
  return {
    socket,
    closed,
    failure,
    text: () => text,
    answers: () => text.split('HTTP/1.1 ').length - 1,
  };
}

const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;

/** Answers after the milliseconds that the path says. */
const slowly: http.RequestListener = async (request, response) => {
  request.resume();
  await sleep(Number(request.url?.slice(1)));
  response.end(request.url);
};

for (const secure of [false, true]) {
  const name = secure ? 'https' : 'http';
  const make = (listener: http.RequestListener) =>
    secure ? https.createServer({ key, cert }, listener) : http.createServer(listener);

  test(`${name}: pipelined requests are all answered, the last one with close`, async (t) => {
    const { port, end } = await drained(t, make(slowly));
    const [early, batch, pieces] = [raw(port, secure), raw(port, secure), raw(port, secure)];
    early.socket.write(get('/300') + get('/310') + get('/320'));
    // Kept alive, when the server begins to end.
    for (const { socket } of [batch, pieces]) socket.write(get('/0'));
    await until('answers', () => batch.answers() === 1 && pieces.answers() === 1);
    await until('the request', () => early.socket.bytesWritten > 0);
    await sleep(50);
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
    const { port, end } = await drained(
      t,
      make(async (request, response) => {
        if (request.url === '/early') response.end('early');
        let size = 0;
        for await (const chunk of request) size += (chunk as Buffer).length;
        bodies.push(size);
        response.end('late');
      }),
    );
    const head = 'Host: a\r\nTransfer-Encoding: chunked\r\n\r\n';
    const clients = ['/late', '/early'].map((path) => {
      const client = raw(port, secure);
      client.socket.write(`POST ${path} HTTP/1.1\r\n${head}`);
      return client;
    });
    const chunk = `3e8\r\n${'x'.repeat(1000)}\r\n`;
    await sleep(50);
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

  test(`${name}: the last answer is not lost to a reset`, async (t) => {
    const size = 400_000;
    const { port, end } = await drained(
      t,
      make(async (_, response) => {
        await sleep(100);
        response.end(Buffer.alloc(size, 'x'));
      }),
    );
    const client = raw(port, secure);
    if (secure) await once(client.socket, 'secureConnect');
    client.socket.pause();
    client.socket.write(get('/'));
    await sleep(30);
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
  server.on('checkContinue', (request, response) => {
    response.writeContinue();
    slowly(request, response);
  });
  server.on('checkExpectation', slowly);
  const clients = ['100-continue', 'nonsense'].map((expect) => {
    const client = raw(port);
    client.socket.write(
      `PUT /400 HTTP/1.1\r\nHost: a\r\nExpect: ${expect}\r\nContent-Length: 1\r\n\r\nx`,
    );
    return client;
  });
  await sleep(50);
  await Promise.all([end(50), ...clients.map(({ closed }) => closed)]);
  for (const { text, failure } of clients) {
    assert.equal(failure.code, undefined);
    assert.match(text(), /HTTP\/1\.1 200 OK.*Connection: close.*\/400/s);
  }
});

test('a net server: its connections are its own to end', async (t) => {
  const { port, end, isEnded } = await drained(
    t,
    net.createServer((socket) => socket.resume()),
  );
  const client = raw(port);
  await once(client.socket, 'connect');
  const ended = end(20);
  await sleep(200);
  assert.equal(isEnded(), false);
  client.socket.end();
  await ended;
});

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A client of HTTP/2 that sends what it is told to, and answers no PING until then. */
function frames(port: number, secure: boolean) {
  const options = { port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] };
  const socket = secure ? tls.connect(options) : net.connect(options);
  const seen: { type: number; flags: number; stream: number; payload: Buffer }[] = [];
  let bytes = Buffer.alloc(0);
  socket
    .on('error', () => {})
    .on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
        const size = bytes.readUIntBE(0, 3);
        const [type = 0, flags = 0] = [bytes[3], bytes[4]];
        const payload = Buffer.from(bytes.subarray(9, 9 + size));
        seen.push({ type, flags, stream: bytes.readUInt32BE(5), payload });
        bytes = bytes.subarray(9 + size);
      }
    });
  socket.write(Buffer.concat([PREFACE, frame(4, 0, 0)]));
  // :method GET, :scheme http, :path /, :authority a, as indexed and literal fields of HPACK.
  const request = (stream: number) =>
    socket.write(frame(1, 5, stream, Buffer.from([0x82, 0x86, 0x84, 0x41, 1, 0x61])));
  let pongs = 0;
  const of = (type: number) => seen.filter((one) => one.type === type);
  const pings = () => of(6).filter(({ flags }) => flags === 0);
  /** Answers every PING until something has come. */
  const pong = (what: string, there: () => boolean) =>
    until(what, () => {
      if (there()) return true;
      for (const { payload } of pings().slice(pongs)) {
        socket.write(frame(6, 1, 0, payload));
        pongs++;
      }
      return false;
    });
  return { socket, of, request, pong, closed: once(socket, 'close') };
}

const GOAWAY = 7;
const HEADERS = 1;

test('h2c: GOAWAY for any stream; what comes before the answer to PING is served; GOAWAY for the last', async (t) => {
  const { port, end } = await drained(
    t,
    http2.createServer((_, response) => response.end('x')),
  );
  const client = frames(port, false);
  client.request(1);
  await until('an answer', () => client.of(HEADERS).length === 1);
  // Beyond any timer.
  const ended = end(Number.MAX_SAFE_INTEGER);
  await client.pong('the notice', () => client.of(GOAWAY).length === 1);
  assert.equal(client.of(GOAWAY)[0]?.payload.readUInt32BE(0), 2 ** 31 - 1);
  client.request(3);
  await until('a second answer', () => client.of(HEADERS).length === 2);
  client.request(5);
  await client.pong('the last word', () => client.of(GOAWAY).length >= 2);
  assert.equal(client.of(GOAWAY)[1]?.payload.readUInt32BE(0), 5);
  await until('a third answer', () => client.of(HEADERS).length === 3);
  await Promise.all([client.closed, ended]);
});

for (const secure of [false, true]) {
  const name = secure ? 'h2' : 'h2c';
  const make = (options: http2.SecureServerOptions = {}) =>
    secure ? http2.createSecureServer({ key, cert, ...options }) : http2.createServer();
  const session = (port: number) => {
    const scheme = secure ? 'https' : 'http';
    return http2.connect(`${scheme}://127.0.0.1:${port}`, { rejectUnauthorized: false });
  };

  async function ask(client: http2.ClientHttp2Session, path = '/0'): Promise<string> {
    const stream = client.request({ ':path': path });
    let text = '';
    stream.setEncoding('utf8');
    for await (const chunk of stream) text += chunk;
    return text;
  }

  test(`${name}: running requests are answered, in streams and in compat's way; sessions end`, async (t) => {
    for (const how of ['stream', 'request'] as const) {
      const server = make();
      if (how === 'request') server.on('request', slowly as never);
      else {
        server.on('stream', async (stream: http2.ServerHttp2Stream, headers) => {
          await sleep(Number(headers[':path']?.slice(1)));
          stream.respond({ ':status': 200 });
          stream.end(headers[':path']);
        });
      }
      const { port, end } = await drained(t, server);
      const client = session(port);
      client.on('error', () => {});
      const asked = [ask(client, '/600'), ask(client, '/5')];
      await asked[1];
      const ended = end(100);
      assert.deepEqual(await Promise.all(asked), ['/600', '/5']);
      await ended;
      assert.equal(client.closed, true);
    }
  });

  test(`${name}: clients that ask again and again lose nothing; each asks elsewhere when told`, async (t) => {
    let made = 0;
    const failures: unknown[] = [];
    for (let round = 0; round < 5; round++) {
      const server = make();
      server.on('stream', (stream: http2.ServerHttp2Stream) => {
        stream.respond({ ':status': 200 });
        stream.end('x');
      });
      const { port, end } = await drained(t, server);
      const clients = Array.from({ length: 4 }, () =>
        session(port).on('error', (e) => failures.push(e)),
      );
      const loop = async (client: http2.ClientHttp2Session) => {
        while (!client.closed) {
          await ask(client).then(
            () => made++,
            (error) => failures.push(error),
          );
        }
      };
      const loops = clients.flatMap((client) => [loop(client), loop(client), loop(client)]);
      const before = made;
      await until('requests', () => made > before + 200);
      await Promise.all([end(2000), ...loops]);
    }
    assert.deepEqual(failures, []);
    assert.ok(made > 1000);
  });

  test(`${name}: sessions that are idle or silent, connections that say nothing`, async (t) => {
    const { port, end } = await drained(t, make());
    const idle = session(port);
    await once(idle, 'connect');
    const dumb = frames(port, secure);
    await until('SETTINGS', () => dumb.of(4).length > 0);
    await Promise.all([end(200), once(idle, 'close'), dumb.closed]);
    assert.ok(dumb.of(GOAWAY).length > 0, 'told, although it answers no PING');
  });

  test(`${name}: the drain adds nothing to what Node does, and keeps nothing of a session`, async (t) => {
    const server = make();
    const streams: string[] = [];
    server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
      streams.push(`${headers.expect}`);
      stream.respond({ ':status': 200 });
      stream.end('x');
    });
    const { port, sockets } = await drained(t, server);
    const refs: WeakRef<object>[] = [];
    server.on('session', (one) => refs.push(new WeakRef(one)));
    // With a 'request' listener compat answers it as well: ERR_HTTP2_HEADERS_SENT ends the process.
    for (let i = 0; i < 20; i++) {
      const client = session(port);
      const stream = client.request({ ':path': '/', expect: 'nonsense' });
      stream.resume();
      await once(stream, 'close');
      client.close();
      await once(client, 'close');
    }
    assert.deepEqual([...new Set(streams)], ['nonsense']);
    assert.equal(streams.length, 20);
    assert.equal(server.listenerCount('request'), 0);
    for (const socket of sockets) await until('closed', () => socket.destroyed);
    sockets.clear();
    for (let tries = 0; tries < 50; tries++) {
      // In this order: until the end of a job what was looked at lives.
      await sleep(10);
      collectGarbage();
      // The last ones may be in some register or cache of Node's.
      if (refs.filter((ref) => ref.deref()).length < 5) return;
    }
    assert.fail('the sessions are kept');
  });
}

test('h2 with allowHTTP1: HTTP/1.1 beside it ends as it does elsewhere', async (t) => {
  const server = http2.createSecureServer({ key, cert, allowHTTP1: true }, slowly as never);
  const { port, end } = await drained(t, server);
  const client = raw(port, true);
  client.socket.write(get('/300'));
  await sleep(100);
  await Promise.all([end(50), client.closed]);
  assert.match(client.text(), /200 OK.*Connection: close.*\/300/s);
});
