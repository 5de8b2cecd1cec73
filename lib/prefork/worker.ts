// What a worker is from its fork to its end.
import { once } from 'node:events';
import type { Server } from 'node:net';
import { SignalFlag } from '../signal.js';
import { Drain } from './drain.js';
import { sayReady, watchLine } from './line.js';
import type { PreforkPlan } from './options.js';

/** What a worker gets from the master that it was a moment ago. */
export interface Inheritance {
  id: number;
  generation: number;
  plan: PreforkPlan;
  /** The listening socket. */
  socket: number | undefined;
  line: number;
  /** Leaves the master's state: its signal flags, timers, lines to the other workers. */
  leaveMaster: () => void;
  /** Whether the master's signal flags were raised in this process. */
  stopRequested: () => boolean;
}

/** What {@link prefork} gives to `onWorker` and `onStop`. */
export class PreforkWorker {
  /** The worker's seat, from 1 to the number of workers; its successor has the same. */
  readonly id: number;
  /** How many reloads there had been when it was forked. */
  readonly generation: number;
  /** The descriptor of the socket of `listen`; undefined without that option. */
  readonly socket: number | undefined;
  readonly #plan: PreforkPlan;
  readonly #drains: Drain[] = [];
  readonly #ending = new AbortController();
  #stopped = false;

  /** @internal */
  constructor({ id, generation, socket, plan }: Inheritance) {
    this.id = id;
    this.generation = generation;
    this.socket = socket;
    this.#plan = plan;
  }

  /** Aborts when the worker is to end: what has no requests that end by themselves can listen. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /**
   * Has a server accept connections from a listening socket, until the worker is to end; then its
   * connections are ended as {@link prefork} tells. What the option `server` does, for more than one.
   *
   * @param server - an http, https, http2, net or tls server, which does not listen.
   * @param socket - a descriptor of {@link listeningSocket}, which becomes the server's to close.
   *   Default: the one of `listen`.
   * @returns a promise that resolves when it listens, and is rejected as its 'error' event says.
   */
  async serve(server: Server, socket = this.socket): Promise<void> {
    this.#drains.push(new Drain(server));
    server.listen({ fd: socket ?? -1, backlog: this.#plan.backlog });
    await once(server, 'listening');
  }

  /** Ends this worker as the master would do it. It is replaced. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    // Also for the program's own hooks and listeners, which may never come to an end.
    setTimeout(() => process.exit(0), this.#plan.stopTimeout);
    void this.#end();
  }

  async #end(): Promise<never> {
    this.#ending.abort();
    await Promise.all(this.#drains.map((drain) => drain.end(this.#plan.idleTimeout)));
    await this.#plan.onStop?.(this);
    return process.exit(0);
  }
}

/** The master's signals are for the master to act on; the worker is told by SIGTERM alone. */
function takeSignals({ plan, leaveMaster, stopRequested }: Inheritance, stop: () => void): void {
  const masters = [...plan.stopSignals, ...plan.reloadSignals].filter((name) => name !== 'SIGTERM');
  // The program's listeners for them are the master's as well. They go first, the master's flags
  // last, such that no signal meets its default action in between.
  for (const name of ['SIGTERM', ...masters]) process.removeAllListeners(name);
  // Read by nobody: a Ctrl-C reaches the whole process group.
  if (masters.length > 0) new SignalFlag(masters);
  const flag = new SignalFlag('SIGTERM');
  const early = stopRequested();
  leaveMaster();
  if (early) stop();
  else void flag.wait().then(stop);
}

/** Runs in the child, right after the fork. Its failure is an unhandled rejection: the worker's end. */
export async function beWorker(inheritance: Inheritance): Promise<void> {
  const { id, line, plan } = inheritance;
  const worker = new PreforkWorker(inheritance);
  takeSignals(inheritance, () => worker.stop());
  if (plan.title !== undefined) process.title = `${plan.title}: worker ${id}`;
  // It keeps the worker alive, and ends with the master, however that ends.
  watchLine(line, { end: () => worker.stop() }, true);
  if (plan.server !== undefined) await worker.serve(plan.server);
  await plan.onWorker?.(worker);
  sayReady(line);
}
