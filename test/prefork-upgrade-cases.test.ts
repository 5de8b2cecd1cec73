// What may come in between an upgrade, and what a program may have handed over.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from './tools/daemons.js';
import { cleanEnvironment } from './tools/environment.js';
import { whenFull } from './tools/full.js';
import { needs, needsOpenFolders } from './tools/needs.js';
import { childrenOf, hasEnded, stat, status } from './tools/proc.js';
import { scratch } from './tools/scratch.js';
import { Load, Upgraded } from './tools/upgraded.js';

test('one that is late, and one that cannot be executed', async (t) => {
  const options = { upgradeTimeout: 2500, stopTimeout: 1000 };
  const server = await Upgraded.ready(t, { options });
  const late = await server.fails({ fail: 'spin', version: 2 });
  assert.deepEqual([late.code, late.step, late.signal], ['ETIMEDOUT', 'workers', 'SIGKILL']);
  assert.match(late.stderr, /worker 1 of version 2 starts/);
  assert.equal((await server.ask()).version, 1);
  assert.equal(server.processes().length, 3);

  server.becomes({ ask: { execPath: '/nonexistent/node' } });
  server.kill('SIGUSR1');
  const { code, step, exitCode, signal, message } = await server.hears('asked');
  assert.deepEqual([code, step, exitCode, signal], ['ENOENT', 'start', null, null]);
  assert.match(message, /execve '\/nonexistent\/node'/);
  assert.equal((await server.ask()).version, 1);
  await server.stops();
});

test('two calls at once are one, for all masters; stop() ends one', async (t) => {
  const cwd = scratch(t);
  const upgradeProgram = { env: { ASKED: 'yes' }, cwd };
  const server = await Upgraded.ready(t, { twice: true, options: { upgradeProgram } });
  const first = server.master;
  server.becomes({ version: 2 });
  server.kill('SIGUSR1');
  server.kill('SIGUSR2');
  const { successor } = await server.hears('asked');
  await until('the first one ends', () => hasEnded(first));
  assert.equal(successor, server.master);
  assert.equal(server.events('ready').length, 2);
  const { further = 0, version, port } = server.events('listening').at(-1) ?? {};
  const before = server.events('listening')[0];
  assert.deepEqual([version, port, further], [2, before?.port, before?.further]);
  assert.equal((await server.ask({ port: further })).version, 2);

  const ready = server.events('ready').at(-1);
  assert.ok(ready?.env.includes('ASKED'));
  assert.equal(ready?.cwd, cwd);

  server.becomes({ fail: 'hang', version: 3 });
  server.kill('SIGUSR1');
  await until('it runs', () => server.processes().length === 6);
  server.kill('SIGTERM');
  await until('all end', () => server.processes().length === 0);
  const taken = server.events('asked').at(-1);
  assert.equal(taken?.code, 'ERR_INVALID_STATE', JSON.stringify(taken));
});

/** How the end of an upgrade begins before the master is asked to stop. */
const ENDS: Record<string, (server: Upgraded, next: number) => unknown> = {
  'nothing else': () => {},
  'SIGKILL of the new program': (server, next) => server.kill('SIGKILL', next),
  'a signal that aborts': (server) => server.kill('SIGUSR1'),
  'a time limit': () => {},
};

for (const [name, begin] of Object.entries(ENDS)) {
  test(`stop() waits until nothing is left of a new program: ${name}`, async (t) => {
    const [directory, late] = [scratch(t), name === 'a time limit'];
    const [pidfile, path] = [join(directory, 'd.pid'), join(directory, 's')];
    // The new workers spin: SIGKILL ends them, half a second after the limit.
    const options = { stopTimeout: 2000, upgradeTimeout: late ? 3000 : 60_000 };
    const setup = { held: true, pidfile, listen: { path }, options };
    const server = await Upgraded.ready(t, setup);
    const { master } = server;
    const old = childrenOf(master);
    server.becomes({ version: 2, fail: 'spin', abortable: true });
    server.kill('SIGUSR1');
    const spins = (id: number) => server.stderr.includes(`worker ${id} of version 2 starts`);
    await until('they spin', () => spins(1) && spins(2));
    const next = childrenOf(master).find((pid) => !old.includes(pid)) as number;
    begin(server, next);
    if (name !== 'nothing else') await until('its end begins', () => hasEnded(next));
    server.kill('SIGTERM');
    await until('the old workers end', () => old.every(hasEnded));
    server.kill('SIGTERM');
    await server.hears('finished');
    assert.deepEqual([server.processes(), childrenOf(master)], [[master], []], server.state());
    for (const file of [pidfile, path]) assert.throws(() => statSync(file), { code: 'ENOENT' });
    assert.equal((await server.hears('asked')).event, 'asked');
    server.kill('SIGTERM');
    await until('all end', () => server.processes().length === 0);
  });
}

test('the old master is killed in the middle: the new program goes on alone', async (t) => {
  const pidfile = join(scratch(t), 'd.pid');
  const server = await Upgraded.ready(t, { pidfile });
  const first = server.master;
  server.becomes({ fail: 'stopped', version: 2 });
  server.kill('SIGUSR2');
  const stopped = () => server.processes().find((pid) => stat(pid)[0] === 'T');
  const next = await until('it is stopped', stopped);
  server.kill('SIGKILL', first);
  await until('it ends', () => hasEnded(first));
  server.kill('SIGCONT', next);
  await server.hears('ready', 2);
  await until('the pidfile', () => readFileSync(pidfile, 'utf8') === `${next}\n`);
  // Its workers leave when they see that they have no master.
  await until('they have left', () => server.processes().length === 3);
  assert.deepEqual((await server.ask()).version, 2);
  await server.stops();
});

test(
  'a queue for each seat, and fewer seats, and one queue for all, and back',
  whenFull,
  async (t) => {
    const options = { balance: 'reuseport', workers: 3 } as const;
    const server = await Upgraded.ready(t, { options });
    const load = new Load(server, 3);
    await load.goesOn();
    await server.upgrade(2, { options: { ...options, workers: 2 } });
    await load.goesOn();
    await server.upgrade(3, { options: { workers: 3 } });
    await load.goesOn();
    await server.upgrade(4, { options });
    await load.goesOn();
    await load.stop();
    assert.deepEqual(load.failures, []);
    assert.deepEqual([...load.versions].toSorted(), [1, 2, 3, 4]);
    await server.stops();
  },
);

test('a relative script in a release that a link leads to', async (t) => {
  const directory = scratch(t);
  const current = join(directory, 'current');
  const library = new URL('../lib/index.js', import.meta.url).href;
  const app = `
    import { renameSync, symlinkSync, writeSync } from 'node:fs';
    import { prefork } from '${library}';
    const master = prefork({ workers: 1, onWorkerStart() {}, warmup: false });
    await master.ready;
    const [, release] = /(\\w+)\\/app.mjs$/.exec(import.meta.url);
    if (release === 'r1') {
      symlinkSync('r2', '../next');
      renameSync('../next', '../current');
      await master.upgrade();
    } else {
      writeSync(1, release);
      await master.stop();
    }`;
  for (const release of ['r1', 'r2']) {
    mkdirSync(join(directory, release));
    writeFileSync(join(directory, release, 'app.mjs'), app);
  }
  symlinkSync('r1', current);
  const child = spawn(process.execPath, ['app.mjs'], {
    cwd: current,
    env: cleanEnvironment({ PWD: current }),
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  let said = '';
  for await (const text of child.stdout.setEncoding('utf8')) said += text;
  assert.equal(said, 'r2');
});

test('a daemon without privileges: pidfile, log, Unix socket', needsOpenFolders(), async (t) => {
  const directory = scratch(t);
  chmodSync(directory, 0o755);
  const [pidfile, log, open] = ['d.pid', 'd.log', 'open'].map((name) => join(directory, name));
  mkdirSync(open as string);
  chownSync(open as string, 65534, 65534);
  const path = join(open as string, 's');
  const daemon = { pidfile: pidfile as string, log: log as string, user: 'nobody' };
  writeFileSync(join(directory, 'said'), '');
  const server = new Upgraded(t, { daemon, listen: { path } });
  chmodSync(server.directory, 0o777);
  writeFileSync(join(server.directory, 'said'), '');
  chmodSync(join(server.directory, 'said'), 0o666);
  await server.hears('ready');
  const first = server.master;
  const { ino } = statSync(path);
  const broken = await server.fails({ version: 2, fail: 'throw' });
  assert.equal(broken.code, 'ERR_UPGRADE_FAILED');
  assert.equal(statSync(path).ino, ino);
  const next = await server.upgrade(3, { fail: undefined });
  assert.equal(readFileSync(daemon.pidfile, 'utf8'), `${next}\n`);
  assert.match(status(next).Uid ?? '', /^65534\t65534\t65534/);
  assert.equal(statSync(path).ino, ino);
  assert.equal(
    (await server.ask({ port: undefined, host: undefined, socketPath: path })).version,
    3,
  );
  const written = readFileSync(daemon.log, 'utf8');
  assert.match(written, /worker 2 of version 3 starts/);
  assert.match(written, /version 2 is broken/);
  assert.notEqual(next, first);
  // Only root could open it, so the former file stays in use.
  await server.stops();
  assert.throws(() => statSync(path), { code: 'ENOENT' });
});

test('a supervisor that knows one process: refused, with who it is', async (t) => {
  const runsv = join(scratch(t), 'runsv');
  writeFileSync(runsv, '#!/bin/sh\n"$@"\nexit $?\n', { mode: 0o755 });
  const container = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const cases: [string[], RegExp][] = [
    [
      [runsv],
      /: the parent process is runsv, so the supervisor would take the end of this process for the end of the service, execve$/,
    ],
    ...(needs('root', 'unshare').skip
      ? []
      : ([
          [
            container,
            /: process 1 cannot be replaced by another process: all others end with it, execve$/,
          ],
          [[...container, runsv], /: the parent process is runsv, so the supervisor .*, execve$/],
        ] as [string[], RegExp][])),
  ];
  for (const [via, words] of cases) {
    const server = new Upgraded(t, {}, false);
    const [file = '', ...args] = [...via, ...server.command];
    const child = spawn(file, args, { env: cleanEnvironment(server.mark), stdio: 'ignore' });
    t.after(() => child.kill('SIGKILL'));
    await server.hears('ready');
    // Its pid in this namespace; the program prints the one of its own namespace.
    const ours = server.processes();
    const master = ours.find(
      (pid) => ours.filter((other) => +(stat(other)[1] ?? 0) === pid).length === 2,
    );
    server.kill('SIGUSR2', master);
    const { code, step, message } = await server.hears('error');
    assert.deepEqual([code, step], ['ENOTSUP', undefined]);
    assert.match(message, words);
    assert.equal((await server.ask()).version, 1);
    server.kill('SIGTERM', master);
    await until('all end', () => server.processes().length === 0);
  }
});
