// A server that ends, in this process, and clients that say byte by byte what it gets.
import { once } from 'node:events';
import type * as http from 'node:http';
import * as net from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import * as tls from 'node:tls';
import { Drain } from '../../lib/prefork/drain/drain.js';
import { until } from './daemons.js';

/** A server that listens and has a drain; it and its connections do not outlive the test. */
export async function drained<S extends net.Server>(t: TestContext, server: S) {
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

/** A listener, and how many requests it has begun with. */
export function counted(listener: http.RequestListener) {
  let count = 0;
  const counting: http.RequestListener = (request, response) => {
    count++;
    return listener(request, response);
  };
  return { listener: counting, begun: () => count };
}

/** Sends bytes and collects what comes until the other side ends. */
export function raw(port: number, secure = false) {
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

export const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`;

/** Answers after the milliseconds that the path says. */
export const slowly: http.RequestListener = async (request, response) => {
  request.resume();
  await sleep(Number(request.url?.slice(1)));
  response.end(request.url);
};

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

/** A client of HTTP/2 that sends only on request, and answers no PING until then. */
export function frames(port: number, secure: boolean) {
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
