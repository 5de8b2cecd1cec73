// A web server for every kind of supervisor, and for none: examples/systemd, examples/s6 and
// examples/freebsd start it. It serves on the socket that it is passed, or on 127.0.0.1 and PORT.
//
//   node dist/examples/service.js [--pidfile FILE] [--log FILE] [--notification-fd N]
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { becomeDaemon, type DaemonOptions, listenFds } from 'daemonkit';

const { values } = parseArgs({
  options: {
    pidfile: { type: 'string' },
    log: { type: 'string' },
    'notification-fd': { type: 'string' },
  },
});

let greeting = 'hello';
let served = 0;
const server = createServer((_request, response) => {
  served++;
  response.end(`${greeting} from process ${process.pid}\n`);
});
const [passed] = listenFds();
server.listen(passed ?? { port: Number(process.env.PORT ?? 8080), host: '127.0.0.1' });
await once(server, 'listening');

const options: DaemonOptions = { ready: 'manual' };
if (values.pidfile !== undefined) options.pidfile = values.pidfile;
if (values.log !== undefined) options.log = values.log;
if (values['notification-fd'] !== undefined) options.notifyFd = Number(values['notification-fd']);
const daemon = becomeDaemon(options);

daemon.status('reading the configuration');
await sleep(100); // what takes its time at the start belongs here
daemon.ready();
daemon.status('serving');

process.on('SIGHUP', () => {
  const reload = daemon.reloading(async () => {
    await sleep(100);
    greeting = 'good day';
  });
  reload.then(() => daemon.status('serving anew'));
});

process.on('SIGTERM', () => {
  daemon.stopping();
  daemon.status(`stopping after ${served} requests`);
  server.close();
  server.closeIdleConnections();
});
