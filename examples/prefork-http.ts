// A web server with workers that share what the master has loaded. Kill a worker, reload, stop: the
// master prints what it does.
//
//   npm run build:ts && node dist/examples/prefork-http.js        PORT=3000 WORKERS=8 node ...
import { createServer } from 'node:http';
import { prefork } from 'daemonkit';

// Loaded once. The workers have it too, and a page of it is copied when one of them writes to it.
const greetings = new Map([
  ['/', 'Hello'],
  ['/de', 'Guten Tag'],
  ['/fr', 'Bonjour'],
]);
let configuration = { loaded: new Date() };

const server = createServer((request, response) => {
  const greeting = greetings.get(request.url ?? '/') ?? 'Who?';
  const since = configuration.loaded.toISOString();
  response.end(`${greeting} from process ${process.pid}, configured at ${since}\n`);
});

const master = prefork({
  server,
  listen: { port: Number(process.env.PORT ?? 8080), host: '127.0.0.1' },
  workers: Number(process.env.WORKERS ?? 4),
  title: 'greeter',
  onMasterReload: () => {
    configuration = { loaded: new Date() };
  },
  onMasterReap: ({ id, pid, exitCode, signal, rusage, lived, asked }) => {
    const how = signal ?? `code ${exitCode}`;
    const cpu = ((rusage?.userCPUTime ?? 0) + (rusage?.systemCPUTime ?? 0)) / 1e6;
    const why = asked ? 'as asked' : 'by itself';
    const seconds = (lived / 1000).toFixed(1);
    console.log(`worker ${id} (${pid}) ended ${why}: ${how}, ${cpu} s of CPU in ${seconds} s`);
  },
});

await master.ready;
console.log(`Try:     curl http://127.0.0.1:${master.port}/fr
Kill:    kill -KILL ${master.pids[0]}
Reload:  kill -HUP ${process.pid}
Upgrade: kill -USR2 ${process.pid}
Stop:    kill ${process.pid}
Workers: ${master.pids.join(' ')}`);

await master.finished;
console.log('no worker is left');
