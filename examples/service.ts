// A web server for every kind of supervisor, and for none: examples/systemd, examples/s6, examples/runit and
// examples/freebsd start it. It serves on the socket that it is passed, or on 127.0.0.1 and PORT.
//
//   node dist/examples/service.js [--pidfile FILE] [--log FILE] [--notification-fd N] [--store]
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Server as NetServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { becomeDaemon, type DaemonOptions, listenFds, listeningSocket, notify } from 'daemonkit';

const { values } = parseArgs({
  options: {
    pidfile: { type: 'string' },
    log: { type: 'string' },
    'notification-fd': { type: 'string' },
    store: { type: 'boolean', default: false },
  },
});

let greeting = 'hello';
let served = 0;
const server = createServer((request, response) => {
  served++;
  console.log(`${request.method} ${request.url}`);
  response.end(`${greeting} from process ${process.pid}\n`);
});

/** What systemd keeps while the next process replaces this one, and passes to it. */
function stored(): { fd: number } {
  const fd = listeningSocket(address);
  notify({ fdStore: { fds: [fd], name: 'http' } });
  return { fd };
}

const address = { port: Number(process.env.PORT ?? 8080), host: '127.0.0.1' };
const [passed] = listenFds();
server.listen(passed ?? (values.store ? stored() : address));
await once(server, 'listening');

const options: DaemonOptions = { ready: 'manual' };
if (values.pidfile !== undefined) options.pidfile = values.pidfile;
if (values.log !== undefined) options.log = values.log;
if (values['notification-fd'] !== undefined) options.notifyFd = Number(values['notification-fd']);
const daemon = becomeDaemon(options);

// From the start: a supervisor that asks the port, as runit's check does, may send this before ready().
process.on('SIGHUP', () => {
  const reload = daemon.reloading(async () => {
    await sleep(100);
    greeting = 'good day';
  });
  reload.then(() => daemon.status('serving anew'));
});

daemon.status('reading the configuration');
await sleep(100); // what takes its time at the start belongs here
daemon.ready();
daemon.status('serving');

process.on('SIGTERM', () => {
  daemon.stopping();
  daemon.status(`stopping after ${served} requests`);
  // Accepts no more. http's own close() also cuts what it takes for idle: from Node 26 on, connections whose first
  // request is on its way.
  NetServer.prototype.close.call(server);
  setTimeout(() => server.closeIdleConnections(), 500).unref();
});
