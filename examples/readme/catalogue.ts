import { createServer } from 'node:http';
import { prefork } from 'daemonkit';

// Loaded once, 100 MB, and shared by four processes.
const catalogue = Array.from({ length: 1_000_000 }, (_, id) => ({ id, name: `item ${id}` }));

const server = createServer((request, response) => {
  const item = catalogue[Number(request.url?.slice(1))];
  response.end(`${item?.name}, from process ${process.pid}\n`);
});
prefork({ server, listen: { port: 8080 }, workers: 4 });
