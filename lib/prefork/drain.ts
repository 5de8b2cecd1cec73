// Ends a server without failing a request: what is under way is answered, what is silent is closed.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Server, type Socket } from 'node:net';
import { TLSSocket, Server as TlsServer } from 'node:tls';

/** What is known of one connection. Kept small: a server that does not end pays for it too. */
interface Connection {
  /** The answer to the latest request; when it is complete, all are (RFC 9112, section 9.3.2). */
  latest: ServerResponse | undefined;
  /** It has left HTTP, or never spoke it: only who speaks its protocol knows when it may end. */
  foreign: boolean;
  /** While the server ends: when it was last seen busy, on the clock of performance.now(). */
  since: number;
}

interface Session {
  close(): void;
}

const LOOK_MS = 20;

/**
 * Follows a server's connections, in order to end it one day. To be made before the server listens.
 *
 * A kept-alive connection is not closed between two requests, as `http.Server.close()` does: the
 * next request may be on its way, and would fail. It is answered, with `Connection: close`; only a
 * connection that stays silent is closed.
 */
export class Drain {
  readonly #server: Server;
  readonly #connections = new Map<Socket, Connection>();
  readonly #sessions = new Set<Session>();
  #ending = false;

  constructor(server: Server) {
    this.#server = server;
    const connected = server instanceof TlsServer ? 'secureConnection' : 'connection';
    server.prependListener(connected, (socket: Socket) => this.#follow(socket));
    server.prependListener('request', (request, response) => this.#answer(request, response));
    server.prependListener('session', (session: Session) => this.#sessions.add(session));
    for (const event of ['upgrade', 'connect']) {
      // Without a listener of the program's the request is an ordinary one, and one here would
      // change that.
      if (server.listenerCount(event) === 0) continue;
      server.prependListener(event, ({ socket }: IncomingMessage) => {
        const connection = this.#connections.get(socket);
        if (connection !== undefined) connection.foreign = true;
      });
    }
  }

  /**
   * Stops accepting, and resolves when all connections have ended.
   *
   * @param silence - the milliseconds after which an idle connection is closed.
   */
  async end(silence: number): Promise<void> {
    this.#ending = true;
    for (const [socket, connection] of this.#connections) {
      connection.since = performance.now();
      lingerAtEnd(socket);
      if (connection.latest !== undefined) announceEnd(connection.latest);
    }
    for (const session of this.#sessions) session.close();
    const looking = setInterval(() => this.#closeSilent(silence), LOOK_MS);
    // Not http.Server's own close(), which destroys the idle connections.
    await new Promise((resolve) => Server.prototype.close.call(this.#server, resolve));
    clearInterval(looking);
  }

  #follow(socket: Socket): void {
    const foreign = this.#server.listenerCount('request') === 1;
    this.#connections.set(socket, { latest: undefined, foreign, since: performance.now() });
    if (this.#ending) lingerAtEnd(socket);
    socket.once('close', () => this.#connections.delete(socket));
  }

  #answer({ socket }: IncomingMessage, response: ServerResponse): void {
    const connection = this.#connections.get(socket);
    if (connection !== undefined) connection.latest = response;
    if (this.#ending) announceEnd(response);
  }

  #closeSilent(silence: number): void {
    const now = performance.now();
    for (const [socket, connection] of this.#connections) {
      const { latest, foreign, since } = connection;
      const busy = foreign || (latest !== undefined && !latest.writableFinished);
      if (busy) connection.since = now;
      else if (now - since >= silence) socket.destroySoon();
    }
  }
}

function announceEnd(response: ServerResponse): void {
  // HTTP/2 has no such header; its sessions are closed by themselves.
  if (!response.headersSent && response.req.httpVersionMajor < 2) {
    response.setHeader('Connection', 'close');
  }
}

const LINGER_MS = 1000;

/**
 * Has a connection end with our side first, and go on reading until the other side has seen that. A
 * plain close(2) answers what comes later with RST, which takes the last response with it if the
 * client has not read it yet.
 *
 * Source: RFC 9112, section 9.6.
 */
function lingerAtEnd(socket: Socket): void {
  if (socket instanceof TLSSocket) return;
  // What Node calls after a response that says `Connection: close`.
  socket.destroySoon = () => {
    socket.removeAllListeners('data');
    // By this very call Node takes the HTTP parser off the descriptor.
    socket.on('data', () => {});
    socket.resume().end();
    socket.once('end', () => socket.destroy());
    const linger = () => setTimeout(() => socket.destroy(), LINGER_MS).unref();
    // Not before all is with the kernel: a slow client may take its time.
    if (socket.writableFinished) linger();
    else socket.once('finish', linger);
  };
}
