// A preforked server as process 1 of a container: Dockerfile and deployment.yaml beside it start it.
//
//   PORT=8080 WORKERS=2 node dist/examples/containers/server.js
import { createServer } from 'node:http';
import { prefork } from 'daemonkit';

const { PORT = '8080', WORKERS = '2' } = process.env;

const server = createServer((request, response) => {
  if (request.url === '/healthz') response.end('ok\n');
  else response.end(`hello from process ${process.pid}\n`);
});

const master = prefork({
  server,
  listen: { port: Number(PORT) },
  // Not the processors of the machine: a container gets a part of them.
  workers: Number(WORKERS),
  // With the seconds of preStop, below terminationGracePeriodSeconds.
  stopTimeout: 20_000,
  // Time for the next request of a proxy that keeps its connections.
  idleTimeout: 5_000,
  reapOrphans: process.pid === 1,
  onMasterReap: ({ id, pid, exitCode, signal, asked }) => {
    if (!asked) console.log(`worker ${id} (${pid}) has ended: ${signal ?? exitCode}`);
  },
  onMasterError: (error) => console.error(error.message),
});
await master.ready;
console.log('ready');
await master.finished;
console.log('no worker is left');
process.exit();
