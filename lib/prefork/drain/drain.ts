// Ends a server without failing a request: what is under way is answered, what is silent is closed.

import { Server } from 'node:net';
import { clock } from '../../base/alarm.js';
import { clearInterval, setInterval, sleep, turn } from '../../base/timers.js';
import { HttpConnections } from './http.js';
import { Http2Sessions } from './http2.js';
import { Tally } from './tally.js';

const LOOK_MS = 20;

/** So many times the lull, and connections that go on to come are no stragglers. */
const MOST_LULLS = 8;

/**
 * Follows a server's connections, in order to end it one day. To be made before the server listens. It adds
 * no listener that Node or the program counts: for 'request', 'upgrade', 'checkContinue' and such what is
 * there tells Node what to do.
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
   * @param lull - the milliseconds in which no connection must have come before it stops accepting, where
   *   nobody else may ever accept from this queue.
   */
  async end(silence: number, lull = 0): Promise<void> {
    if (lull > 0) await this.#lull(lull);
    this.#connections.end();
    this.#sessions.end(silence);
    const look = () => this.#connections.closeSilent(silence, LOOK_MS);
    const looking = setInterval(look, LOOK_MS);
    // Not http.Server's own close(), which destroys the idle connections.
    await new Promise((resolve) => Server.prototype.close.call(this.#server, resolve));
    clearInterval(looking);
  }

  /**
   * Accepts what is on its way to a queue that nobody else may serve. The master has sent new connections elsewhere, but
   * one whose handshake had begun comes here: a round trip later at most.
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
      // A turn that begins late has its timers first: what came meanwhile is accepted in its poll phase, which is over
      // at the second one.
      await turn();
      await turn();
    }
    this.#server.off('connection', count);
  }
}
