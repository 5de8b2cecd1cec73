import { once } from 'node:events';
import { createServer } from 'node:http';
import { becomeDaemon, SignalFlag } from 'daemonkit';

const server = createServer((_, response) => response.end('hello\n')).listen(80);
await once(server, 'listening'); // still root, still on the terminal

becomeDaemon({
  pidfile: '/run/hello.pid',
  log: '/var/log/hello.log',
  chroot: '/srv/hello',
  user: 'www-data',
});

await new SignalFlag(['SIGINT', 'SIGTERM', 'SIGHUP']).wait(); // $time_to_die
server.close();
server.closeIdleConnections();
