// A server for production: another user, a chroot, readiness when it answers, log rotation.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { becomeDaemon, SignalFlag } from 'daemonkit';

const root = process.env.ROOT ?? '/srv/hello';
let greeting = '';

const server = createServer((request, response) => {
  console.log(request.url);
  response.end(`${greeting} from process ${process.pid}\n`);
});
server.listen(Number(process.env.PORT ?? 80), '127.0.0.1');
await once(server, 'listening');

const daemon = becomeDaemon({
  pidfile: process.env.PIDFILE ?? '/run/hello.pid',
  log: `${root}/log/hello.log`, // inside, where it can be reopened
  reopenOn: 'SIGHUP',
  chroot: root,
  user: process.env.ACCOUNT ?? 'hello',
  noNewPrivileges: true,
  ready: 'manual',
  timeout: 10_000,
});

const timeToDie = new SignalFlag(['SIGINT', 'SIGTERM']);
try {
  greeting = readFileSync('/greeting', 'utf8').trim(); // of the chroot, as the new user
} catch (error) {
  daemon.fail(error);
}
daemon.ready();

await timeToDie.wait();
daemon.stopping();
server.close();
server.closeIdleConnections();
