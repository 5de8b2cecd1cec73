// The connections of a server: those of HTTP/1.1 end with an answer, or when they are silent.
import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import { lingerAtEnd } from './linger.js';
import { bytesFollow } from './pipelined.js';
import type { Tally } from './tally.js';

/** What is known of one connection. Kept small: a server that does not end pays for it too. */
interface Connection {
  /** The answer to the latest request; when it is complete, all are (RFC 9112, section 9.3.2). */
  latest: ServerResponse | undefined;
  /** It has HTTP/2, whose sessions end in their own way. */
  session: boolean;
  /** While the server ends: when it was last seen busy, on the clock of performance.now(). */
  since: number;
  /** While the server ends: the bytes that had come by then. */
  bytes: number;
}

/** As Node publishes it for each request, whatever event that then becomes. */
interface Started {
  request: IncomingMessage;
  response: ServerResponse;
  socket: Socket;
  server: Server;
}

const followed = new WeakMap<Server, HttpConnections>();
let listening = false;

/** Only from the first server on: who does not use this shall not pay for messages. */
function listen(): void {
  if (listening) return;
  listening = true;
  subscribe('http.server.request.start', (message) => {
    const { request, response, socket, server } = message as Started;
    followed.get(server)?.answers(socket, request, response);
  });
}

/** Node's parser of HTTP/1.1 is at the socket as long as that speaks it. */
function speaksHttp1(socket: Socket): boolean {
  return Boolean((socket as { parser?: unknown }).parser);
}

/**
 * A kept-alive connection is not closed between two requests, as `http.Server.close()` does: the
 * next request may be on its way, and would fail. It is answered, with `Connection: close`; only a
 * connection that stays silent is closed.
 */
export class HttpConnections {
  readonly #connections = new Map<Socket, Connection>();
  /** Of TLS servers: before the handshake is through. */
  readonly #shaking = new Map<Socket, Connection>();
  readonly #tally: Tally;
  #ending = false;
  /** When it was looked for silent ones last, on the clock of performance.now(). */
  #looked = 0;

  constructor(server: Server, tally: Tally) {
    this.#tally = tally;
    followed.set(server, this);
    listen();
    if (!(server instanceof TlsServer)) {
      server.prependListener('connection', (socket: Socket) => this.#follow(socket));
      return;
    }
    server.prependListener('connection', (socket: Socket) => this.#keep(this.#shaking, socket));
    server.prependListener('secureConnection', (socket: Socket) => {
      for (const one of this.#shaking.keys()) if (isSame(one, socket)) this.#shaking.delete(one);
      this.#follow(socket);
    });
  }

  /** How many there are. */
  get size(): number {
    return this.#connections.size + this.#shaking.size;
  }

  /** How many of them wait for an answer of HTTP/1.1. */
  get underWay(): number {
    // Ten times a second in a busy worker: without an array of them all.
    let count = 0;
    for (const { latest } of this.#connections.values()) if (isUnanswered(latest)) count++;
    return count;
  }

  /** The server ends. */
  end(): void {
    this.#ending = true;
    const now = performance.now();
    this.#looked = now;
    for (const [socket, connection] of [...this.#shaking, ...this.#connections]) {
      connection.since = now;
      connection.bytes = socket.bytesRead;
    }
    for (const [socket, { latest }] of this.#connections) {
      if (!speaksHttp1(socket)) continue;
      lingerAtEnd(socket);
      if (latest !== undefined) announceEnd(latest);
    }
  }

  /** A request has come. */
  answers(socket: Socket, request: IncomingMessage, response: ServerResponse): void {
    this.#tally.request();
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    const { latest } = connection;
    connection.latest = response;
    if (!this.#ending) return;
    lingerAtEnd(socket);
    // The last answer of a connection is who says that it is the last.
    if (latest !== undefined) takeBack(latest);
    if (!bytesFollow(socket, request)) announceEnd(response);
  }

  /** The connection that was made last has become a session's. */
  hasSession(handle: unknown): Socket | undefined {
    const socket = [...this.#connections.keys()].findLast((one) => handleOf(one) === handle);
    const connection = socket && this.#connections.get(socket);
    if (connection !== undefined) connection.session = true;
    return socket;
  }

  /**
   * Ends those of which nothing was heard for so many milliseconds. To be called every `every` milliseconds: what
   * is longer the event loop stood still, and then a request may have come that nobody has read.
   */
  closeSilent(silence: number, every: number): void {
    const now = performance.now();
    const deaf = Math.max(0, now - this.#looked - 2 * every);
    this.#looked = now;
    for (const [socket, connection] of [...this.#shaking, ...this.#connections]) {
      const heard = socket.bytesRead !== connection.bytes;
      connection.bytes = socket.bytesRead;
      connection.since += deaf;
      if (heard || this.#isBusy(socket, connection)) connection.since = now;
      else if (now - connection.since >= silence) socket.destroySoon();
    }
  }

  #isBusy(socket: Socket, { latest, session }: Connection): boolean {
    if (this.#shaking.has(socket)) return false;
    // It has left HTTP, or never spoke it: only who speaks its protocol knows when it may end.
    if (session || !speaksHttp1(socket)) return true;
    return isUnanswered(latest);
  }

  #follow(socket: Socket): void {
    this.#keep(this.#connections, socket);
  }

  #keep(connections: Map<Socket, Connection>, socket: Socket): void {
    const since = performance.now();
    connections.set(socket, { latest: undefined, session: false, since, bytes: 0 });
    socket.once('close', () => connections.delete(socket));
    this.#tally.connection();
  }
}

function isUnanswered(latest: ServerResponse | undefined): boolean {
  return latest !== undefined && !(latest.writableFinished && latest.req.complete);
}

function handleOf(socket: Socket): unknown {
  return (socket as { _handle?: unknown })._handle;
}

/** Whether a TLS socket is over that one. */
function isSame(plain: Socket, secure: Socket): boolean {
  const { _parent: parent } = secure as { _parent?: unknown };
  return parent === plain;
}

const announced = new WeakSet<ServerResponse>();

function announceEnd(response: ServerResponse): void {
  if (response.headersSent) return;
  response.setHeader('Connection', 'close');
  announced.add(response);
}

/** One more request was behind it. HTTP/1.1 keeps a connection of which nothing is said. */
function takeBack(response: ServerResponse): void {
  if (announced.has(response) && !response.headersSent) response.removeHeader('Connection');
}
