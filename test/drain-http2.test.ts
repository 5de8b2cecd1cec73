// How a server of HTTP/2 ends, in this process: what its clients see.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http2 from 'node:http2';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { cert, key } from './tools/certificate.js';
import { until } from './tools/daemons.js';
import { counted, drained, frames, get, raw, slowly } from './tools/drained.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

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
      await Promise.all([end(60_000), ...loops]);
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
  const { listener, begun } = counted(slowly);
  const server = http2.createSecureServer({ key, cert, allowHTTP1: true }, listener as never);
  const { port, end } = await drained(t, server);
  const client = raw(port, true);
  client.socket.write(get('/300'));
  await until('the request', () => begun() === 1);
  await Promise.all([end(50), client.closed]);
  assert.match(client.text(), /200 OK.*Connection: close.*\/300/s);
});
