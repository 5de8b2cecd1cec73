// The units whose program is examples/service.ts.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { until } from '../tools/daemons.js';
import { stat, status } from '../tools/proc.js';
import type { Scenario } from './scenario.js';
import { ask, Clients, command, Unit } from './unit.js';

/** Of systemd's dynamic users: 61184 to 65519. */
function isDynamicUser(pid: number): void {
  const uid = Number(status(pid).Uid?.split('\t')[0]);
  assert.ok(uid >= 61184 && uid <= 65519, `uid ${uid}`);
}

/** Killed, it is started again. */
async function restarts(unit: Unit, main: number): Promise<number> {
  process.kill(main, 'SIGKILL');
  const state = await unit.shows({ NRestarts: '1', ActiveState: 'active', MainPID: /^[1-9]/ });
  const next = Number(state.MainPID);
  assert.notEqual(next, main);
  assert.equal((await unit.ask()).pid, next);
  return next;
}

async function notify(unit: Unit): Promise<void> {
  await unit.start();
  const { ActiveState, SubState, MainPID } = unit.state;
  assert.deepEqual([ActiveState, SubState], ['active', 'running']);
  const main = Number(MainPID);
  assert.deepEqual(await unit.ask(), { greeting: 'hello', pid: main });
  await unit.shows({ StatusText: 'serving', MainPID: `${main}` });
  isDynamicUser(main);
  assert.equal(status(main).NoNewPrivs, '1');
  await unit.reload();
  assert.equal(await unit.greets('good day'), main);
  await unit.shows({ StatusText: 'serving anew', MainPID: `${main}` });
  await restarts(unit, main);
  await unit.stops();
  await unit.logs(/^GET \/\n.*status=9\/KILL\n.*^Started .*^Stopped /ms);
}

async function fails(unit: Unit): Promise<void> {
  const bad = '/usr/bin/node /opt/hello/service.js --pidfile /nonexistent/hello.pid';
  await unit.dropIn(`[Service]\nRestart=no\nExecStart=\nExecStart=${bad}\n`);
  assert.equal(command('systemctl', 'start', unit.name).status, 1);
  await unit.shows({
    ActiveState: 'failed',
    Result: 'exit-code',
    ExecMainStatus: '1',
    StatusErrno: '2',
    StatusText: /^step pidfile: ENOENT: no such file or directory/,
  });
  const shown = command('systemctl', 'status', unit.name).stdout;
  assert.match(shown, /Status: "step pidfile: ENOENT/);
  assert.match(shown, /Error: .*\b2 \(No such file or directory\)/);
  await unit.logs(/^DaemonError|becomeDaemon: step pidfile: ENOENT/m);
}

async function notifyReload(unit: Unit): Promise<void> {
  await unit.start();
  const main = unit.main;
  isDynamicUser(main);
  assert.equal((await unit.ask()).greeting, 'hello');
  await unit.reload();
  // Its end was awaited, so one query is sufficient.
  assert.deepEqual(await unit.ask(), { greeting: 'good day', pid: main });
  assert.equal(unit.state.NRestarts, '0');
  await unit.stops();
}

async function forking(unit: Unit): Promise<void> {
  const pid = () => Number(readFileSync('/run/hello.pid', 'utf8'));
  await unit.start();
  const main = unit.main;
  assert.deepEqual([pid(), (await unit.ask()).pid], [main, main]);
  const [, ppid, , session] = stat(main);
  assert.equal(ppid, '1');
  assert.notEqual(session, stat(1)[3]);
  await unit.reload();
  assert.equal(await unit.greets('good day'), main);
  assert.match(readFileSync('/var/log/hello.log', 'utf8'), /^GET \/$/m);
  // The pidfile of the killed daemon names no process, and is taken over.
  const next = await restarts(unit, main);
  assert.equal(pid(), next);
  await unit.stops();
  assert.equal(existsSync('/run/hello.pid'), false);
}

async function activated(service: Unit): Promise<void> {
  const socket = new Unit('hello-activated.socket');
  try {
    await socket.start();
    assert.deepEqual([service.state.ActiveState, service.main], ['inactive', 0]);
    const { pid } = await service.ask();
    // The connection does not wait for the report of readiness.
    await service.shows({ MainPID: `${pid}`, ActiveState: 'active' });
    isDynamicUser(pid);
    await using clients = new Clients(service.port);
    await clients.goesOn();
    await service.restart();
    await until('the next one serves', () => clients.pids.has(service.main));
    await clients.stop();
    // Its end does no harm: the next connection starts another.
    process.kill(service.main, 'SIGKILL');
    await service.shows({ ActiveState: 'failed', Result: 'signal' });
    const next = await service.ask();
    assert.equal(service.main, next.pid);
  } finally {
    socket.clear();
  }
  await service.stops();
}

async function watchdog(unit: Unit): Promise<void> {
  await unit.start();
  assert.equal(unit.state.WatchdogUSec, '10s');
  const other = new Unit('hello@8091.service', 8091);
  try {
    await other.dropIn('[Service]\nWatchdogSec=2\n');
    await other.start();
    const main = other.main;
    const sign = () => other.state.WatchdogTimestampMonotonic ?? '';
    // Longer than it would live without signs.
    for (let signs = 0, last = sign(); signs < 4; signs++) {
      const seen = last;
      last = await until('a sign of life', () => (sign() !== seen ? sign() : ''));
    }
    assert.equal(other.main, main);
    process.kill(main, 'SIGSTOP');
    const state = await other.shows({ NRestarts: '1', ActiveState: 'active', MainPID: /^[1-9]/ });
    assert.notEqual(Number(state.MainPID), main);
    assert.equal((await ask(8091)).pid, other.main);
    await other.logs(/Watchdog timeout \(limit 2s\)!/);
  } finally {
    other.clear();
  }
  assert.equal(unit.state.NRestarts, '0');
  await unit.stops();
}

/** The socket that listens on a port, by its inode. */
function listener(port: number): string {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const lines = readFileSync('/proc/net/tcp', 'utf8').split('\n');
  const fields = lines.map((line) => line.trim().split(/\s+/));
  return (
    fields.find(([, local, , state]) => local?.endsWith(`:${hex}`) && state === '0A')?.[9] ?? ''
  );
}

async function store(unit: Unit): Promise<void> {
  await unit.start();
  const [main, socket] = [unit.main, listener(unit.port)];
  await unit.shows({ NFileDescriptorStore: '1', StatusText: 'serving' });
  assert.equal((await unit.ask()).pid, main);
  await using clients = new Clients(unit.port);
  await clients.goesOn();
  await unit.restart();
  await until('the next one serves', () => clients.pids.has(unit.main));
  await clients.stop();
  assert.notEqual(unit.main, main);
  assert.deepEqual([listener(unit.port), unit.state.NFileDescriptorStore], [socket, '1']);
  await restarts(unit, unit.main);
  assert.equal(listener(unit.port), socket);
  await unit.stops();
}

export const services: Scenario[] = [
  {
    unit: new Unit('hello.service', 8080),
    about: 'ready, reload, kill, stop; a dynamic user',
    play: notify,
  },
  {
    unit: new Unit('hello.service', 8080),
    about: 'a start that fails: STATUS and ERRNO',
    play: fails,
  },
  {
    unit: new Unit('hello-reload.service', 8081),
    about: 'a reload that is waited for',
    since: 253,
    play: notifyReload,
  },
  {
    unit: new Unit('hello-forking.service', 8082),
    about: 'pidfile, log, reload, kill, stop',
    play: forking,
  },
  {
    unit: new Unit('hello-activated.service', 8083),
    about: 'started by a connection; none refused over a restart',
    play: activated,
  },
  {
    unit: new Unit('hello@8090.service', 8090),
    about: 'killed by the watchdog when it stands still, and not before',
    play: watchdog,
  },
  {
    unit: new Unit('hello-store.service', 8086),
    about: 'the same socket after a restart and a kill; none refused',
    play: store,
  },
];
