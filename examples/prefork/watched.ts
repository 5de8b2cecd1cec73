// Workers that are replaced when they hang, or have served long enough, and a master that reports their state.
//
//   node dist/examples/prefork/watched.js
//   curl localhost:8080/hang                   the others answer; after two seconds another one has its seat
//   kill -USR1 PID                             a table of the workers
import { subscribe } from 'node:diagnostics_channel';
import { createServer } from 'node:http';
import { type PreforkWorkerMessage, prefork, SignalFlag } from 'daemonkit';

const server = createServer((request, response) => {
  if (request.url === '/hang') for (;;);
  response.end(`process ${process.pid}\n`);
});

const master = prefork({
  server,
  listen: { port: Number(process.env.PORT ?? 8080), host: '127.0.0.1' },
  workers: Number(process.env.WORKERS ?? 4),
  hangTimeout: Number(process.env.HANG_TIMEOUT ?? 2000),
  maxRequests: Number(process.env.MAX_REQUESTS ?? 10_000),
  maxAge: 24 * 3600 * 1000,
  maxMemory: 200 * 1024 * 1024,
  onMasterHang: ({ id, pid, silent }) => console.log(`worker ${id} (${pid}) hangs: ${silent} ms`),
});

// Only the master has workers, and publishes.
subscribe('daemonkit:prefork:worker', (message) => {
  const { event, id, pid } = message as PreforkWorkerMessage;
  console.log(`worker ${id} (${pid}): ${event}`);
});

await master.ready;
console.log(`ready: process ${process.pid}`);
const flag = new SignalFlag('SIGUSR1');
void master.finished.then(() => flag[Symbol.dispose]());
for await (const _ of flag) {
  console.table(master.stats().workers, ['id', 'pid', 'state', 'requests', 'privateBytes']);
}
