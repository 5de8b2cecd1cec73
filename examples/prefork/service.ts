// A preforked server under a service manager: examples/systemd and examples/runit start it. It serves on the socket that
// it is passed, or on 127.0.0.1 and PORT.
//
//   SIGHUP    new workers, with the data that the master reloads
//   SIGUSR2   the program's newest version, where the manager can follow it
//   SIGTERM   the end
import { createServer } from 'node:http';
import { becomeDaemon, listenFds, prefork } from 'daemonkit';

const { PORT = '8080', WORKERS = '2' } = process.env;
let greeting = 'hello';

const [passed] = listenFds();
const daemon = becomeDaemon({ ready: 'manual' });
const server = createServer((request, response) => {
  console.log(`${request.method} ${request.url}`);
  response.end(`${greeting} from process ${process.pid}\n`);
});
const master = prefork({
  server,
  listen: passed?.fd ?? { port: Number(PORT), host: '127.0.0.1' },
  workers: Number(WORKERS),
  // The signal is handled below, where the manager gets a report.
  reloadSignals: [],
  onMasterReload: () => {
    greeting = 'good day';
  },
  onMasterError: ({ message }) => console.error(message),
});

// From the start: the first worker answers before all of them do.
process.on('SIGHUP', () => {
  daemon
    .reloading(() => master.reload())
    .then(
      () => daemon.status('serving anew'),
      ({ message }) => console.error(message),
    );
});

try {
  await master.ready;
} catch (error) {
  daemon.fail(error);
}
daemon.ready();
daemon.status(`serving with ${master.pids.length} workers`);

await master.finished.catch((error) => daemon.fail(error));
process.exit();
