// The kept-alive connections of a forked process. fetch() and the global agents would keep using
// them, and two processes would read each other's responses.
import { type Agent, globalAgent as http } from 'node:http';
import { globalAgent as https } from 'node:https';
import { Socket } from 'node:net';

/**
 * The keys under which undici, of Node or of npm, keeps the dispatcher of fetch() (its
 * lib/global.js).
 */
const DISPATCHERS = ['undici.globalDispatcher.1', 'undici.globalDispatcher.2'].map(Symbol.for);

/** Much deeper than any path from a dispatcher to its sockets. */
const DEPTH = 6;

/** A connection, and its owner in a pool. */
interface Pooled {
  socket: Socket;
  owner: object;
}

function parts(object: object): unknown[] {
  if (object instanceof WeakRef) return [object.deref()];
  if (object instanceof Map) return [...object.values()];
  if (object instanceof Set) return [...object];
  // Does not call getters, which may have any effect.
  return Reflect.ownKeys(object).map((key) => Reflect.getOwnPropertyDescriptor(object, key)?.value);
}

/** The sockets that can be reached from an object. */
function* socketsOf(object: object, depth = DEPTH, seen = new Set<unknown>()): Generator<Pooled> {
  if (seen.has(object) || depth === 0) return;
  seen.add(object);
  for (const part of parts(object)) {
    if (part instanceof Socket) yield { socket: part, owner: object };
    else if (typeof part === 'object' && part !== null) yield* socketsOf(part, depth - 1, seen);
  }
}

/** Whether a client of undici waits for a response: its getter [Symbol(running)]. */
function isRunning(client: object): boolean {
  for (let at: object | null = client; at !== null; at = Reflect.getPrototypeOf(at)) {
    const key = Object.getOwnPropertySymbols(at).find(
      ({ description }) => description === 'running',
    );
    if (key !== undefined) return Number((client as Record<symbol, unknown>)[key]) > 0;
  }
  return false;
}

/**
 * The parent reads the response. In the child a wait for it never ends, as with a child process of
 * the parent.
 */
function silence(socket: Socket): void {
  const { _handle: handle } = socket as { _handle?: { readStop?(): void } | null };
  handle?.readStop?.();
  socket.unref();
}

/** Owners of connections. */
export interface Pools {
  agents: readonly Pick<Agent, 'freeSockets' | 'sockets'>[];
  dispatchers: readonly unknown[];
}

/** Read at each call: a program may replace them. */
export const globalPools = (): Pools => ({
  agents: [http, https],
  dispatchers: DISPATCHERS.map((key) => (globalThis as Record<symbol, unknown>)[key]),
});

function leaveAgent(agent: Pools['agents'][number]): void {
  for (const sockets of Object.values(agent.freeSockets)) {
    for (const socket of sockets ?? []) socket.destroy();
  }
  for (const sockets of Object.values(agent.sockets)) {
    for (const socket of sockets ?? []) silence(socket);
  }
}

function leaveDispatcher(dispatcher: object): void {
  for (const { socket, owner } of [...socketsOf(dispatcher)]) {
    if (isRunning(owner)) silence(socket);
    else socket.destroy();
  }
}

/**
 * In a forked process: closes its copies of the idle connections of fetch() and of the global
 * agents of http and https, which then make new ones. The parent's connections stay open.
 */
export function leavePools({ agents, dispatchers }: Pools = globalPools()): void {
  for (const agent of agents) leaveAgent(agent);
  for (const dispatcher of dispatchers) {
    if (typeof dispatcher === 'object' && dispatcher !== null) leaveDispatcher(dispatcher);
  }
}
