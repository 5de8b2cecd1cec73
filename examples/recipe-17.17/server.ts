// The same for a server: the socket is opened first, and the loop is Node's.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { _exit, closeInherited, fork, redirectToNull, SignalFlag, setsid } from 'daemonkit';

const server = createServer((_request, response) => {
  response.end(`process ${process.pid}\n`);
});
server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1');
await once(server, 'listening'); // an error, such as a port in use, reaches the terminal

if (fork() !== 0) process.exit();
setsid();
if (fork() !== 0) _exit(0);
process.umask(0o022);
process.chdir('/');
redirectToNull();
closeInherited();

const timeToDie = new SignalFlag(['SIGINT', 'SIGTERM', 'SIGHUP']);
await timeToDie.wait();
server.close();
server.closeIdleConnections();
