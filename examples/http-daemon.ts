// A web server that becomes a daemon. The socket is opened first, so that a port in use is reported on
// the terminal, and a privileged port can be bound before `user` drops the privileges.
//
//   npm run example:http-daemon          PORT=3000 npm run example:http-daemon
import { once } from 'node:events';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { becomeDaemon } from 'daemonkit';

const port = Number(process.env.PORT ?? 8080);
const directory = process.env.XDG_RUNTIME_DIR ?? tmpdir();
const pidfile = join(directory, 'http-daemon.pid');
const log = join(directory, 'http-daemon.log');

const server = createServer((request, response) => {
  console.log(`${new Date().toISOString()} ${request.method} ${request.url}`);
  response.end(`Process ${process.pid}, child of ${process.ppid}, serves ${request.url}\n`);
});
server.on('error', (error) => {
  console.error(`${error.message}. Is it running already? See ${pidfile}`);
  process.exit(1);
});
server.listen(port, '127.0.0.1');
await once(server, 'listening');

console.log(`Try:   curl http://127.0.0.1:${port}/
Stop:  kill $(cat ${pidfile})
Log:   ${log}`);

becomeDaemon({ pidfile, log });

// From here on this is the daemon: the terminal may close.
console.log(`process ${process.pid} is ready`);

process.on('SIGTERM', () => {
  console.log('SIGTERM: no new connections');
  server.close(() => console.log('the last connection has ended'));
  server.closeIdleConnections();
});
