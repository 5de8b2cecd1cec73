// Workers that npm run soak kills or has hang, and the requests that they take along.
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { connect } from 'node:http2';
import type { Failed } from './soak-load.js';

/** A worker that was killed on purpose; `to` is when it was seen to be gone. */
export interface Victim {
  pid: number;
  from: number;
  to: number;
}

/** The client of a killed worker may not have heard of it yet when it asks again. */
const SLACK_MS = 100;

/**
 * It failed because its worker was killed; a connection without an answer may have belonged to any
 * worker.
 */
export function isOf({ worker, begun, ended, code }: Failed, victim: Victim): boolean {
  if (!/^(ECONNRESET|EPIPE|ERR_HTTP2_\w+)$/.test(code) || ended < victim.from) return false;
  return worker === victim.pid || (worker === undefined && begun <= victim.to + SLACK_MS);
}

/** Makes a worker hang. The request uses the connection of the worker that answers before. */
export async function hangHttp1(port: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ask = (path: string) => get({ port, host: '127.0.0.1', agent, path });
  const [response] = await once(ask('/'), 'response');
  await response.resume().toArray();
  ask('/hang').on('error', () => agent.destroy());
  return Number(response.headers['x-worker']);
}

/** The same over HTTP/2. */
export async function hangHttp2(port: number): Promise<number> {
  const session = connect(`http://127.0.0.1:${port}`).on('error', () => {});
  const stream = session.request({ ':path': '/' });
  const [head] = await once(stream, 'response');
  await stream.resume().toArray();
  session.request({ ':path': '/hang' }).on('error', () => session.destroy());
  return Number(head['x-worker']);
}
