// Four processes that serve one port. Stop it by SIGTERM, replace the workers by SIGHUP.
import { createServer } from 'node:http';
import { prefork } from 'daemonkit';

const server = createServer((_, response) => response.end(`process ${process.pid}\n`));
const listen = { port: Number(process.env.PORT ?? 8080), host: '127.0.0.1' };
prefork({ server, listen, workers: 4 });
