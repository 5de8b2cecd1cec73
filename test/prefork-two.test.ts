// Two masters in one process, of one copy of the package or of two: neither's workers have anything of the
// other's.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { constants } from 'node:os';
import { test } from 'node:test';
import { secondCopy } from './tools/copy.js';
import { until } from './tools/daemons.js';
import { Grouped } from './tools/grouped.js';
import { descriptors, presence, stat } from './tools/proc.js';

/** The inodes of the sockets that listen, as links in /proc call them. */
function listening(): Set<string> {
  const rows = readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1);
  const fields = rows.map((row) => row.trim().split(/\s+/));
  return new Set(fields.filter((row) => row[3] === '0A').map((row) => `socket:[${row[9]}]`));
}

function listeners(pid: number): string[] {
  const all = listening();
  return Object.values(descriptors(pid)).filter((target) => all.has(target));
}

const refused = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(false)).on('error', () => resolve(true));
    socket.on('connect', () => socket.destroy());
  });

const source = `
  import { createServer } from 'node:http';
  const other = process.argv[1] === '' ? daemonkit : await import(process.argv[1]);
  const host = '127.0.0.1';
  const server = () => createServer((_, response) => response.end('x'));
  const one = daemonkit.prefork({ server: server(), listen: { port: 0, host }, workers: 2, upgradeSignals: [] });
  const two = other.prefork({
    server: server(),
    listen: daemonkit.listeningSocket({ port: 0, host }),
    workers: 2,
    stopSignals: 'SIGTERM',
    reloadSignals: ${constants.signals.SIGUSR2},
    upgradeSignals: [],
  });
  const three = other.prefork({ server: server(), listen: { port: 0, host }, workers: 1, reloadSignals: [], upgradeSignals: [] });
  await Promise.all([one.ready, two.ready, three.ready]);
  // Forked when all of the others' lines and sockets are there.
  await one.reload();
  await two.reload();
  if (fork() === 0) {
    process.title = 'no worker';
    await pause(60_000);
  }
  say('ready', one.pids, two.pids, three.pids, one.port, two.port);
  process.on('SIGUSR1', () => one.stop().then(() => say('stopped')));
  await Promise.all([one.finished, two.finished, three.finished]);
  process.exit(0);`;

for (const copies of [1, 2]) {
  test(`two masters, ${copies} of the package: sockets, lines and signals of each are its own`, async (t) => {
    const group = new Grouped(t, source, { args: [copies === 1 ? '' : secondCopy(t)] });
    const [one, two, three, port] = (await group.hears('ready')) as [
      number[],
      number[],
      number[],
      number,
    ];
    const socketsOf = (pids: number[]) => new Set(pids.flatMap(listeners));
    for (const pids of [one, two, three]) assert.equal(socketsOf(pids).size, 1, 'one socket each');
    const workers = [...one, ...two, ...three];
    assert.equal(socketsOf(workers).size, 3);
    const [bystander = 0] = group.others().filter((pid) => !workers.includes(pid));
    // It leaves the others' by itself, when its parent has gone on already.
    await until('it has left', () => listeners(bystander).length === 1);
    // Of the caller's, a fork has a copy as of any other.
    assert.deepEqual(listeners(bystander), [...socketsOf(two)]);
    // One that reloads the second master comes to all, as of a terminal; the master, which ends some of them, is last.
    const old = two.map(presence);
    for (const pid of [...workers, group.pid]) process.kill(pid, 'SIGUSR2');
    await until('the second one reloads', () => !old.some((isThere) => isThere()));
    await until('its new workers', () => group.others().length === 6);
    for (const pid of [...one, ...three]) assert.notEqual(stat(pid)[0], 'gone', `${group.stderr}`);
    process.kill(group.pid, 'SIGUSR1');
    await group.hears('stopped');
    assert.ok(await refused(port), 'nobody holds the socket of the master that has stopped');
    process.kill(group.pid, 'SIGKILL');
    const left = () => group.others().filter((pid) => pid !== bystander && stat(pid)[0] !== 'Z');
    await until('no worker is left', () => left().length === 0);
  });
}
