// The same by one call, with a pidfile and a log.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { becomeDaemon, SignalFlag } from 'daemonkit';

const server = createServer((request, response) => {
  console.log(request.url);
  response.end(`process ${process.pid}\n`);
});
server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1');
await once(server, 'listening');

becomeDaemon({
  pidfile: process.env.PIDFILE ?? '/run/hello.pid',
  log: process.env.LOG ?? '/var/log/hello.log',
});

const timeToDie = new SignalFlag(['SIGINT', 'SIGTERM', 'SIGHUP']);
await timeToDie.wait();
server.close();
server.closeIdleConnections();
