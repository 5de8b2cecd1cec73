// A daemon that is the master of four workers.
import { createServer } from 'node:http';
import { becomeDaemon, listeningSocket, prefork } from 'daemonkit';

const socket = listeningSocket({ port: Number(process.env.PORT ?? 8080), host: '127.0.0.1' });
const daemon = becomeDaemon({
  pidfile: process.env.PIDFILE ?? '/run/hello.pid',
  log: process.env.LOG ?? '/var/log/hello.log',
  ready: 'manual',
});

const server = createServer((_request, response) => {
  response.end(`process ${process.pid}, worker of ${process.ppid}\n`);
});
const master = prefork({ server, listen: socket, workers: 4 });
try {
  await master.ready;
} catch (error) {
  daemon.fail(error);
}
daemon.ready();

await master.finished;
process.exit();
