// A preforked server in production: the port is opened as root; the master is a daemon with pidfile and log; the
// workers are another user, and reload the configuration without losing a request.
//
//   PORT=80 CONFIG=/etc/hello.json node dist/examples/prefork/production.js
//   kill -HUP  $(cat /run/hello.pid)      reloads the configuration
//   kill -TTIN $(cat /run/hello.pid)      one worker more; -TTOU is one less
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { becomeDaemon, dropPrivileges, listeningSocket, prefork } from 'daemonkit';

const { PORT = '80', CONFIG = '/etc/hello.json', ACCOUNT = 'hello' } = process.env;
const load = () => JSON.parse(readFileSync(CONFIG, 'utf8')) as { greeting: string };
let config = load();

// A port in use is reported on the terminal.
const socket = listeningSocket({ port: Number(PORT), host: '127.0.0.1' });
const daemon = becomeDaemon({
  pidfile: process.env.PIDFILE ?? '/run/hello.pid',
  log: process.env.LOG ?? '/var/log/hello.log',
  reopenOn: 'SIGUSR1',
  ready: 'manual',
});

const server = createServer((_, response) => {
  response.end(`${config.greeting} from process ${process.pid}, user ${process.getuid?.()}\n`);
});
const master = prefork({
  server,
  listen: socket,
  workers: Number(process.env.WORKERS ?? 4),
  title: 'hello',
  respawn: { attempts: 10 },
  // Connections to databases belong here: all workers would share the master's.
  onWorkerStart: () => dropPrivileges({ user: ACCOUNT }),
  // An error cancels the reload, and the old workers continue to serve.
  onMasterReload: () => {
    config = load();
    console.log('configuration loaded');
  },
  onMasterReap: ({ id, pid, exitCode, signal, asked }) => {
    if (!asked) console.log(`worker ${id} (${pid}) has ended: ${signal ?? exitCode}`);
  },
  onMasterError: (error) => console.error(error.message),
});

try {
  await master.ready;
} catch (error) {
  daemon.fail(error);
}
daemon.ready();
await master.finished.catch((error) => daemon.fail(error));
console.log('no worker is left');
process.exit();
