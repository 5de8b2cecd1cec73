// A worker, from its fork to its end.

import { once } from 'node:events';
import { Server } from 'node:net';
import { type InspectOptionsStylized, inspect } from 'node:util';
import { registry } from '../../atfork/registry.js';
import { Alarm, clock } from '../../base/alarm.js';
import { invalidArgType } from '../../base/errors.js';
import { shown } from '../../base/shown.js';
import { setImmediate } from '../../base/timers.js';
import { fileDescriptor } from '../../base/validate.js';
import { leavePools } from '../../fork/pooled.js';
import { type Confinement, confine } from '../../privileges/confine.js';
import { leaveRelay } from '../../service/successor.js';
import { SignalFlag } from '../../signal/flag.js';
import { onCaughtBefore } from '../../signal/inherited.js';
import { Drain } from '../drain/drain.js';
import { die } from './birth.js';
import { Line } from './line.js';
import { Pulse, type PulseOptions } from './pulse.js';

/**
 * How long a seat's own queue must be quiet before the worker leaves it. For a removed seat, long
 * enough for the third step of a handshake from far away.
 */
const LULL_MS = { kept: 250, givenUp: 1000 };

/** The worker's part of {@link PreforkOptions}. */
interface WorkerPlan {
  title: string | undefined;
  confinement?: Confinement | undefined;
  server: Server | undefined;
  backlog: number;
  idleTimeout: number;
  /** With 'reuseport' the seat has its own queue. */
  balance: 'shared' | 'reuseport';
  rules: { stopTimeout: number };
  onWorkerStart: ((worker: PreforkWorker) => unknown) | undefined;
  onWorkerStop: ((worker: PreforkWorker) => unknown) | undefined;
}

/** @internal The data that a worker takes from its master. */
export interface Inheritance {
  id: number;
  generation: number;
  plan: WorkerPlan;
  /** The listening socket. */
  socket: number | undefined;
  /** The seat was removed: the worker serves only waiting connections. */
  remains: boolean;
  line: number;
  pulse: PulseOptions;
  /** Whether the master's signal flags were raised in this process. */
  stopRequested: () => boolean;
}

/** The object that `onWorkerStart` and `onWorkerStop` of {@link prefork} receive. */
export class PreforkWorker {
  /** The worker's seat, from 1 to the number of workers. Its successor has the same seat. */
  readonly id: number;
  /** How many reloads there had been when it was forked. */
  readonly generation: number;
  /** The descriptor of the socket of `listen`; undefined without that option. */
  readonly socket: number | undefined;
  readonly #plan: WorkerPlan;
  readonly #lull: number;
  readonly #line: Line;
  readonly #pulse: Pulse;
  readonly #drains: Drain[] = [];
  readonly #ending = new AbortController();
  readonly #deadline = new Alarm(() => process.exit(0));
  #ready = false;
  #stopped = false;

  /** @internal */
  constructor({ id, generation, socket, remains, plan, line, pulse }: Inheritance) {
    this.id = id;
    this.generation = generation;
    this.socket = socket;
    this.#plan = plan;
    const own = remains ? LULL_MS.givenUp : LULL_MS.kept;
    this.#lull = plan.balance === 'reuseport' ? own : 0;
    // The line keeps the worker alive, and ends with the master in any case.
    this.#line = new Line(
      line,
      (word) => {
        if (word === 'settled') leaveRelay();
        if (word === 'weigh') this.#pulse.weigh();
      },
      () => this.stop(),
      true,
    );
    this.#pulse = new Pulse(this.#line, pulse);
  }

  /**
   * Aborts when the worker must end. Use it for work that does not end by itself, such as non-HTTP
   * connections.
   */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /**
   * Makes a server accept connections from a listening socket until the worker must end. Then its
   * connections end as described at {@link prefork}. Use it for more than one server; the option
   * `server` does the same for one.
   *
   * @param server - an http, https, http2, net or tls server that is not listening.
   * @param socket - a descriptor of {@link listeningSocket}, which the server will close. Default:
   *   the one of `listen`.
   * @returns a promise that resolves when the server listens. Rejected with the error of its
   *   'error' event, or with a `TypeError` or `RangeError` for wrong arguments.
   */
  async serve(server: Server, socket = this.socket): Promise<void> {
    if (!(server instanceof Server)) {
      throw invalidArgType('server', 'an instance of net.Server', server);
    }
    const fd = fileDescriptor(socket, 'socket');
    this.#drains.push(new Drain(server, this.#pulse.tally));
    server.listen({ fd, backlog: this.#plan.backlog });
    await once(server, 'listening');
  }

  /**
   * Ends this worker as the master would. The master replaces it and does not count this as a
   * failure, even soon after the fork.
   */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    // The deadline also covers the program's own hooks and listeners, which may never finish.
    this.#deadline.set(clock() + this.#plan.rules.stopTimeout);
    try {
      this.#line.say('leaving');
    } catch {
      // Then the master sees only the end of the process.
    }
    this.#end().catch(fail);
  }

  /**
   * @internal Changes limits, root directory and user as the options require. If this fails, the
   * worker must end.
   */
  enter(): void {
    const { title, confinement } = this.#plan;
    if (title !== undefined) process.title = `${title}: worker ${this.id}`;
    if (confinement !== undefined) confine(confinement);
  }

  /** @internal */
  async start(): Promise<void> {
    const { onWorkerStart, server } = this.#plan;
    this.#pulse.start();
    await onWorkerStart?.(this);
    // Only after onWorkerStart, because a server that accepts must respond.
    if (server !== undefined && !this.#stopped) await this.serve(server);
    if (this.#stopped) return;
    this.#ready = true;
    this.#line.say('ready');
  }

  /** @internal */
  [inspect.custom](depth: number, options: InspectOptionsStylized): string {
    const { id, generation, socket } = this;
    const phase = this.#stopped ? 'stopping' : this.#ready ? 'ready' : 'starting';
    const state = { id, state: phase, generation, socket };
    return shown(this, state, depth, options);
  }

  async #end(): Promise<never> {
    this.#ending.abort();
    await Promise.all(this.#drains.map((drain) => drain.end(this.#plan.idleTimeout, this.#lull)));
    await this.#plan.onWorkerStop?.(this);
    return process.exit(0);
  }
}

/**
 * Ends a worker whose program has failed, as an unhandled rejection would, even if the program has
 * a listener for these that does not end the process.
 */
function fail(error: unknown): void {
  void Promise.reject(error);
  setImmediate(() => process.exit(1));
}

/** The masters' signals do nothing in a worker; only SIGTERM ends it. */
function takeSignals({ socket, stopRequested }: Inheritance, stop: () => void): void {
  const masters = [...registry.masters];
  const all = masters.flatMap(({ signals }) => signals);
  const ignored = [...new Set(all)].filter((name) => name !== 'SIGTERM');
  // The program's listeners for these signals belong to the master too. They are removed first and
  // the masters' flags last, so that no signal gets its default action in between.
  const caught = onCaughtBefore('SIGTERM', (heard) => heard && stop());
  for (const name of ['SIGTERM', ...ignored]) {
    for (const one of process.rawListeners(name))
      if (one !== caught) process.off(name, one as () => void);
  }
  // This flag is never read. It is needed because a Ctrl-C reaches the whole process group.
  if (ignored.length > 0) new SignalFlag(ignored);
  const flag = new SignalFlag('SIGTERM');
  const early = stopRequested();
  for (const master of masters) master.leave(socket);
  if (early) stop();
  else flag.wait().then(stop, die);
}

/**
 * @internal Runs in the child, right after the fork. It must not throw: its callers on the stack
 * belong to the master.
 */
export function beWorker(inheritance: Inheritance): void {
  try {
    const worker = new PreforkWorker(inheritance);
    takeSignals(inheritance, () => worker.stop());
    leavePools();
    worker.enter();
    // A worker of a removed seat answers the waiting connections, then ends.
    const started = () => inheritance.remains && worker.stop();
    worker.start().then(started).catch(fail);
  } catch (error) {
    die(error);
  }
}
