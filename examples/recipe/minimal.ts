// The recipe in twelve lines: leave the shell, serve from another root directory until it is time to die.
import { createServer } from 'node:http';
import { _exit, chroot, fork, redirectToNull, SignalFlag, setsid } from 'daemonkit';

const server = createServer((_, response) => response.end(`process ${process.pid}\n`));
server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', async () => {
  if (fork() !== 0) _exit(0);
  setsid();
  redirectToNull();
  chroot(process.env.ROOT ?? '/srv/hello');
  await new SignalFlag(['SIGINT', 'SIGTERM', 'SIGHUP']).wait();
  server.close();
  server.closeIdleConnections();
});
