// Port 80 without being root: bound first, then served by another user in another root directory.
import { createServer } from 'node:http';
import { becomeDaemon } from 'daemonkit';

const server = createServer((_, response) => response.end(`user ${process.getuid?.()}\n`));
server.listen(Number(process.env.PORT ?? 80), '127.0.0.1', () => {
  becomeDaemon({ chroot: process.env.ROOT ?? '/srv/hello', user: process.env.ACCOUNT ?? 'nobody' });
});
