// Ends a server without failing a request: pending requests are answered, silent connections are
// closed.

import { Server } from 'node:net';
import { clock } from '../../base/alarm.js';
import { clearInterval, setInterval, sleep, turn } from '../../base/timers.js';
import { HttpConnections } from './http.js';
import { Http2Sessions } from './http2.js';
import { Tally } from './tally.js';

const LOOK_MS = 20;

/** After this many lulls, connections that still arrive are not stragglers. */
const MOST_LULLS = 8;

/**
 * Tracks a server's connections, in order to end it later. Make it before the server listens. It
 * adds no listener that Node or the program counts: for 'request', 'upgrade', 'checkContinue' and
 * so on, Node's behaviour depends on whether there are listeners.
 */
export class Drain {
  readonly #server: Server;
  readonly #connections: HttpConnections;
  readonly #sessions: Http2Sessions;

  constructor(server: Server, tally = new Tally()) {
    this.#server = server;
    this.#connections = new HttpConnections(server, tally);
    this.#sessions = new Http2Sessions(server, this.#connections, tally);
    tally.add(() => ({
      connections: this.#connections.size,
      underWay: this.#connections.underWay + this.#sessions.underWay,
    }));
  }

  /**
   * Stops accepting, and resolves when all connections have ended.
   *
   * @param silence - the milliseconds after which an idle connection is closed.
   * @param lull - before it stops accepting, no connection must have come for so many milliseconds;
   *   for a queue from which no other process will accept.
   */
  async end(silence: number, lull = 0): Promise<void> {
    if (lull > 0) await this.#lull(lull);
    this.#connections.end();
    this.#sessions.end(silence);
    const look = () => this.#connections.closeSilent(silence, LOOK_MS);
    const looking = setInterval(look, LOOK_MS);
    // Not close() of http.Server, which destroys idle connections.
    await new Promise((resolve) => Server.prototype.close.call(this.#server, resolve));
    clearInterval(looking);
  }

  /**
   * Accepts late connections of a queue that no other process may serve. The master has directed
   * new connections elsewhere, but one whose handshake has begun still arrives here, at most a
   * round trip later.
   */
  async #lull(quiet: number): Promise<void> {
    let came = 0;
    const count = () => {
      came++;
    };
    this.#server.on('connection', count);
    const end = clock() + MOST_LULLS * quiet;
    for (let before = -1; came !== before && clock() < end; ) {
      before = came;
      await sleep(quiet);
      // A late turn of the event loop runs its timers first. Connections that have come are
      // accepted in its poll phase, which is over at the second immediate.
      await turn();
      await turn();
    }
    this.#server.off('connection', count);
  }
}
