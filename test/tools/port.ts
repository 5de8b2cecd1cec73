// A port for a program that takes a port number.
import { once } from 'node:events';
import { createServer } from 'node:net';

// Below the range that the kernel gives to clients (ip(7), ip_local_port_range: from 32768), of which
// a load test beside this one takes thousands; and another start for each process.
const FIRST = 20_000;
const COUNT = 12_000;
// The privileged ones to which fetch() does not connect (fetch.spec.whatwg.org, "port blocking"), of those from 600 on.
const REFUSED = new Set([601, 636, 989, 990, 993, 995]);
let next = (process.pid * 7) % COUNT;

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const listening = new Promise<boolean>((resolve) => {
    server.once('listening', () => resolve(true)).once('error', () => resolve(false));
  });
  server.listen(port, '127.0.0.1');
  if (!(await listening)) return false;
  await once(server.close(), 'close');
  return true;
}

/** A port that was free a moment ago, one of `count` from `first` on. */
export async function freePort(first = FIRST, count = COUNT): Promise<number> {
  for (let tries = 0; tries < count; tries++) {
    const port = first + (next++ % count);
    if (!REFUSED.has(port) && (await isFree(port))) return port;
  }
  throw new Error('no port is free');
}
