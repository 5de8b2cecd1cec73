import { createServer } from 'node:http';
import { becomeDaemon, listeningSocket, prefork } from 'daemonkit';

const socket = listeningSocket({ port: 80 });
const daemon = becomeDaemon({
  pidfile: '/run/hello.pid',
  log: '/var/log/hello.log',
  ready: 'manual',
});

const server = createServer((_, response) => response.end(`process ${process.pid}\n`));
const master = prefork({ server, listen: socket, workers: 4, user: 'www-data' });
await master.ready;
daemon.ready(); // the launcher exits with 0

await master.finished;
process.exit();
