// Clients of npm run soak, in a process of their own: soak-load.js PORT PROTOCOL CLIENTS. Each line that it
// prints is a request that has failed; the last one, once standard input has ended, is the sum of all.
import { type EventEmitter, once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';

/** A request that has failed. */
export interface Failed {
  kind: 'kept alive' | 'fresh' | 'http2';
  code: string;
  /** When it began and ended: Date.now(). */
  begun: number;
  ended: number;
  /** The worker at the other end, if its connection had an answer before. */
  worker: number | undefined;
}

export interface Sum {
  requests: Record<Failed['kind'], number>;
  workers: number;
}

/** More than a worker that hangs takes along: only time in which it could run counts against it. */
const PATIENCE_MS = 300_000;
const LONGEST_PAUSE_MS = 60;

const [port = 0, , clients = 1] = process.argv.slice(2).map(Number);
const protocol = process.argv[3];
const sum: Sum = { requests: { 'kept alive': 0, fresh: 0, http2: 0 }, workers: 0 };
const seen = new Set<number>();
let running = true;

function check(text: string, worker: number): void {
  if (JSON.parse(text).pid !== worker) throw new Error('another answer than its head says');
  seen.add(worker);
}

/** What is known of a request, also of one that fails. */
interface Reached {
  /** The worker that has answered on this connection before. */
  worker?: number | undefined;
}

/** The process that has answered on a connection. */
const answered = new WeakMap<object, number>();

async function read(stream: AsyncIterable<string>, status: unknown): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk;
  if (status !== 200) throw new Error(`status ${status}`);
  return text;
}

/** An event, unless the emitter has an error or is closed before. */
async function before<T>(emitter: EventEmitter, event: string, signal: AbortSignal): Promise<T> {
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const closed = once(emitter, 'close', { signal: either }).then(() => {
    throw Object.assign(new Error(`closed before ${event}`), { code: 'ECONNRESET' });
  });
  try {
    const [value] = await Promise.race([once(emitter, event, { signal: either }), closed]);
    return value as T;
  } finally {
    closed.catch(() => {});
    over.abort();
  }
}

async function ask(agent: Agent | false, reached: Reached): Promise<void> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const request = get({ port, host: '127.0.0.1', agent, signal });
  request.on('socket', (socket) => {
    reached.worker = answered.get(socket);
  });
  const response = await before<IncomingMessage>(request, 'response', signal);
  const worker = Number(response.headers['x-worker']);
  if (request.socket !== null) answered.set(request.socket, worker);
  check(await read(response.setEncoding('utf8'), response.statusCode), worker);
}

async function askStream(session: ClientHttp2Session, reached: Reached): Promise<void> {
  reached.worker = answered.get(session);
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const stream = session.request({ ':path': '/' }, { signal });
  const head = await before<IncomingHttpHeaders>(stream, 'response', signal);
  const worker = Number(head['x-worker']);
  answered.set(session, worker);
  check(await read(stream.setEncoding('utf8'), head[':status']), worker);
}

/** One request after the other. */
async function client(kind: Failed['kind'], one: (reached: Reached) => Promise<void>) {
  while (running) {
    const begun = Date.now();
    const reached: Reached = {};
    sum.requests[kind]++;
    try {
      await one(reached);
    } catch (error) {
      const { code, name, message } = error as NodeJS.ErrnoException;
      const why = typeof code === 'string' ? code : `${name}: ${message}`;
      const failed: Failed = { kind, code: why, begun, ended: Date.now(), worker: reached.worker };
      console.log(JSON.stringify(failed));
      await sleep(100);
    }
    await sleep(Math.random() * LONGEST_PAUSE_MS);
  }
}

async function keptAlive(): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  await client('kept alive', (reached) => ask(agent, reached));
  agent.destroy();
}

/** Streams of one session, which is replaced when the worker says GOAWAY. */
async function streams(): Promise<void> {
  let current: ClientHttp2Session | undefined;
  const session = async () => {
    if (current !== undefined && !current.closed && !current.destroyed) return current;
    const fresh = connect(`http://127.0.0.1:${port}`);
    current = fresh;
    const over = () => {
      if (current === fresh) current = undefined;
    };
    fresh.on('goaway', over).on('close', over).on('error', over);
    await before(fresh, 'connect', AbortSignal.timeout(PATIENCE_MS));
    return fresh;
  };
  await client('http2', async (reached) => askStream(await session(), reached));
  current?.close();
}

const fresh = () => client('fresh', (reached) => ask(false, reached));
const all = Array.from({ length: clients }, (_, i) => {
  if (protocol === 'http2') return streams();
  return i % 3 === 0 ? fresh() : keptAlive();
});
// What waits for a time-out alone keeps no process alive.
const alive = setInterval(() => {}, PATIENCE_MS);
process.stdin.resume().on('end', () => {
  running = false;
});
await Promise.all(all);
clearInterval(alive);
console.log(JSON.stringify({ ...sum, workers: seen.size }));
