// The HTTP/2 sessions of a server. Each continues its streams and ends with the last of them.

import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Server } from 'node:net';
import { clearTimeout, setTimeout } from '../../base/timers.js';
import { endSession } from './goodbye.js';
import type { HttpConnections } from './http.js';
import type { Tally } from './tally.js';

/** How long a client may take to close its side after the last response. */
const LINGER_MS = 1000;

export class Http2Sessions {
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #connections: HttpConnections;
  /** Milliseconds; undefined until the server ends. */
  #patience: number | undefined;
  /** The number of open streams. */
  underWay = 0;

  constructor(server: Server, connections: HttpConnections, tally: Tally) {
    this.#connections = connections;
    server.prependListener('session', (session: ServerHttp2Session) => {
      this.#follow(session);
      session.on('stream', (stream: ServerHttp2Stream) => {
        this.underWay++;
        stream.once('close', () => this.underWay--);
        tally.request();
      });
    });
  }

  /** @param patience - the milliseconds that a client may take to answer a PING. */
  end(patience: number): void {
    this.#patience = patience;
    for (const session of this.#sessions) endSession(session, patience);
  }

  #follow(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.once('close', () => this.#sessions.delete(session));
    const { _handle: handle } = session.socket as { _handle?: unknown };
    const socket = this.#connections.hasSession(handle);
    // Node ends its side when the session has no more streams, then waits for the client's end.
    socket?.once('finish', () => {
      const late = setTimeout(() => socket.destroy(), LINGER_MS).unref();
      socket.once('close', () => clearTimeout(late));
    });
    if (this.#patience !== undefined) endSession(session, this.#patience);
  }
}
