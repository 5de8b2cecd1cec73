// The connections of a server. Those of HTTP/1.1 end with a response, or when they are silent.
import { subscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server, Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';
import { lingerAtEnd } from './linger.js';
import { bytesFollow } from './pipelined.js';
import type { Tally } from './tally.js';

/** The state of one connection. It is small because every running server pays for it. */
interface Connection {
  /**
   * The response to the latest request. When it is complete, all earlier ones are (RFC 9112,
   * section 9.3.2).
   */
  latest: ServerResponse | undefined;
  /** It speaks HTTP/2, whose sessions end in another way. */
  session: boolean;
  /** While the server ends: when it was last busy, on the clock of performance.now(). */
  since: number;
  /** While the server ends: the bytes received until then. */
  bytes: number;
}

/** The message that Node publishes for each request, regardless of the event that follows. */
interface Started {
  request: IncomingMessage;
  response: ServerResponse;
  socket: Socket;
  server: Server;
}

const followed = new WeakMap<Server, HttpConnections>();
let listening = false;

/** Subscribes with the first server, so that programs without one do not pay for messages. */
function listen(): void {
  if (listening) return;
  listening = true;
  subscribe('http.server.request.start', (message) => {
    const { request, response, socket, server } = message as Started;
    followed.get(server)?.answers(socket, request, response);
  });
}

/** Node's parser of HTTP/1.1 stays attached to the socket as long as the socket speaks HTTP/1.1. */
function speaksHttp1(socket: Socket): boolean {
  return Boolean((socket as { parser?: unknown }).parser);
}

/**
 * Does not close a kept-alive connection between two requests, as `http.Server.close()` does: the
 * next request may be on its way, and would fail. That request is answered with `Connection:
 * close`. Only a silent connection is closed.
 */
export class HttpConnections {
  readonly #connections = new Map<Socket, Connection>();
  /** Connections of TLS servers before the end of the handshake. */
  readonly #shaking = new Map<Socket, Connection>();
  readonly #tally: Tally;
  #ending = false;
  /** When silent connections were last searched, on the clock of performance.now(). */
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

  /** The number of connections. */
  get size(): number {
    return this.#connections.size + this.#shaking.size;
  }

  /** How many of them wait for an HTTP/1.1 response. */
  get underWay(): number {
    // Runs ten times a second in a busy worker, so it makes no array.
    let count = 0;
    for (const { latest } of this.#connections.values()) if (isUnanswered(latest)) count++;
    return count;
  }

  /** Begins the end of the server. */
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
    // Only the last response of a connection may have `Connection: close`.
    if (latest !== undefined) takeBack(latest);
    if (!bytesFollow(socket, request)) announceEnd(response);
  }

  /** The latest connection has become a session. */
  hasSession(handle: unknown): Socket | undefined {
    const socket = [...this.#connections.keys()].findLast((one) => handleOf(one) === handle);
    const connection = socket && this.#connections.get(socket);
    if (connection !== undefined) connection.session = true;
    return socket;
  }

  /**
   * Ends connections that were silent for so many milliseconds. Call it every `every` milliseconds.
   * If more time has passed, the event loop was blocked, and a request may have come that is not
   * read yet.
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
    // It has left HTTP, or never spoke it: only code that knows its protocol can tell when it may
    // end.
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

/** Whether a TLS socket wraps that socket. */
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

/** One more request followed. Without the header HTTP/1.1 keeps a connection open. */
function takeBack(response: ServerResponse): void {
  if (announced.has(response) && !response.headersSent) response.removeHeader('Connection');
}
