// A server without a line about daemons, for the command daemonkit.
import { once } from 'node:events';
import { createServer } from 'node:http';

const server = createServer((request, response) => {
  console.log(request.url);
  response.end(`process ${process.pid}\n`);
});
server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1');
await once(server, 'listening');
