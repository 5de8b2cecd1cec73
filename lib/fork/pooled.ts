// The kept-alive connections of a copied process: fetch() and the global agents would go on using them, and
// two processes would read one another's answers.
import { type Agent, globalAgent as http } from 'node:http';
import { globalAgent as https } from 'node:https';
import { Socket } from 'node:net';

/** Where undici, of Node or of npm, keeps what fetch() uses (its lib/global.js). */
const DISPATCHERS = ['undici.globalDispatcher.1', 'undici.globalDispatcher.2'].map(Symbol.for);

/** Far more than what leads from a dispatcher to its sockets. */
const DEPTH = 6;

/** A connection, and what in a pool it belongs to. */
interface Pooled {
  socket: Socket;
  owner: object;
}

function parts(object: object): unknown[] {
  if (object instanceof WeakRef) return [object.deref()];
  if (object instanceof Map) return [...object.values()];
  if (object instanceof Set) return [...object];
  // Not by getters, which may do anything.
  return Reflect.ownKeys(object).map((key) => Reflect.getOwnPropertyDescriptor(object, key)?.value);
}

/** The sockets to which an object leads. */
function* socketsOf(object: object, depth = DEPTH, seen = new Set<unknown>()): Generator<Pooled> {
  if (seen.has(object) || depth === 0) return;
  seen.add(object);
  for (const part of parts(object)) {
    if (part instanceof Socket) yield { socket: part, owner: object };
    else if (typeof part === 'object' && part !== null) yield* socketsOf(part, depth - 1, seen);
  }
}

/** Whether a client of undici waits for an answer: its getter [Symbol(running)]. */
function isRunning(client: object): boolean {
  for (let at: object | null = client; at !== null; at = Reflect.getPrototypeOf(at)) {
    const key = Object.getOwnPropertySymbols(at).find(
      ({ description }) => description === 'running',
    );
    if (key !== undefined) return Number((client as Record<symbol, unknown>)[key]) > 0;
  }
  return false;
}

/** The answer is the parent's to read. Who waits for it here waits for ever, as for a child process. */
function silence(socket: Socket): void {
  const { _handle: handle } = socket as { _handle?: { readStop?(): void } | null };
  handle?.readStop?.();
  socket.unref();
}

function leaveAgent(agent: Agent): void {
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
 * In a copy of the process: closes its copies of the connections that fetch(), and the global agents of http
 * and https, keep for later. They make new ones; the parent's are not touched.
 */
export function leavePools(): void {
  for (const agent of [http, https]) leaveAgent(agent);
  for (const key of DISPATCHERS) {
    const dispatcher = (globalThis as Record<symbol, unknown>)[key];
    if (typeof dispatcher === 'object' && dispatcher !== null) leaveDispatcher(dispatcher);
  }
}
