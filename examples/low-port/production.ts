// The same for production: a pidfile, logs that rotate, files of the chroot, readiness that is true, and an end that
// finishes the requests.
//
//   PORT=80 ROOT=/srv/hello node dist/examples/low-port/production.js
//   node dist/examples/low-port/production.js stop
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { becomeDaemon, pidfileStop, SignalFlag } from 'daemonkit';

const { ROOT = '/srv/hello', PIDFILE = '/run/hello.pid', ACCOUNT = 'nobody' } = process.env;

if (process.argv[2] === 'stop') {
  const { state, pid = 'nobody' } = await pidfileStop(PIDFILE);
  console.log(`${pid}: ${state}`);
  process.exit(state === 'running' ? 1 : 0);
}

let page = '';
const server = createServer((request, response) => {
  console.log(`${request.method} ${request.url}`);
  response.end(page);
});
server.listen(Number(process.env.PORT ?? 80), '127.0.0.1');
await once(server, 'listening');

const daemon = becomeDaemon({
  pidfile: PIDFILE,
  chroot: ROOT,
  user: ACCOUNT,
  noNewPrivileges: true,
  log: `${ROOT}/hello.log`, // inside, where it can be reopened
  reopenOn: 'SIGUSR1',
  ready: 'manual',
});

const load = () => {
  page = readFileSync('/index.html', 'utf8'); // of the chroot, as the other user
};
try {
  load();
} catch (error) {
  daemon.fail(error);
}
process.on('SIGHUP', () => {
  try {
    daemon.reloading(load);
  } catch (error) {
    console.error(error);
  }
});
daemon.ready();

using timeToDie = new SignalFlag(['SIGINT', 'SIGTERM']);
await timeToDie.wait();
daemon.stopping();
server.close();
server.closeIdleConnections();
