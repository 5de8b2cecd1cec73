// What console.log() shows of an object says what that is, and how it is; what is held can be `using`.
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { Pidfile, SignalFlag } from 'daemonkit';
import { Grouped } from './tools/grouped.js';
import { scratch } from './tools/scratch.js';

test('SignalFlag', () => {
  const flag = new SignalFlag(['SIGALRM', 'SIGRTMIN+1']);
  const counts = (n: number) => `counts: { SIGALRM: ${n}, 'SIGRTMIN+1': 0 }`;
  assert.equal(inspect(flag), `SignalFlag { raised: false, ${counts(0)} }`);
  process.kill(process.pid, 'SIGALRM');
  assert.equal(inspect(flag), `SignalFlag { raised: true, ${counts(1)} }`);
  assert.equal(inspect({ at: { depth: flag } }, { depth: 1 }), '{ at: { depth: [SignalFlag] } }');
  flag[Symbol.dispose]();
  const disposed = `SignalFlag { raised: true, ${counts(1)}, disposed: true }`;
  assert.equal(inspect(flag, { breakLength: Number.POSITIVE_INFINITY }), disposed);
  class Mine extends SignalFlag {}
  using mine = new Mine('SIGALRM');
  assert.match(inspect(mine, { colors: true, depth: null }), /^Mine \{/);
});

test('Pidfile, which is removed at the end of its scope', (t) => {
  const path = join(scratch(t), 'a.pid');
  const held = (more: string) => `Pidfile { path: '${path}', state: 'held', ${more} }`;
  const shown = (value: unknown) => inspect(value, { breakLength: Number.POSITIVE_INFINITY });
  let last: Pidfile;
  {
    using pidfile = Pidfile.open(path);
    last = pidfile;
    assert.equal(shown(pidfile), held(`fd: ${pidfile.fd}`));
    pidfile.write();
    assert.equal(readFileSync(path, 'utf8'), `${process.pid}\n`);
    assert.equal(shown(pidfile), held(`fd: ${pidfile.fd}, pid: ${process.pid}`));
  }
  assert.equal(existsSync(path), false);
  assert.equal(shown(last), `Pidfile { path: '${path}', state: 'closed' }`);
  last[Symbol.dispose]();
});

test('Redirection, Daemon, master and worker', async (t) => {
  const directory = scratch(t);
  const [log, pidfile] = [join(directory, 'd.log'), join(directory, 'd.pid')];
  const group = new Grouped(
    t,
    `const [log, pidfile] = process.argv.slice(1);
    const { inspect } = await import('node:util');
    const show = (name, value) => say(name, inspect(value, { breakLength: Infinity }));
    const daemon = daemonkit.becomeDaemon({ detach: false, pidfile, ready: 'manual' });
    show('daemon', daemon);
    daemon.ready();
    show('daemon', daemon);
    const reload = daemon.reloading(() => pause(1));
    show('daemon', daemon);
    await reload;
    daemon.stopping();
    show('daemon', daemon);
    daemon[Symbol.dispose]();
    show('daemon', daemon);

    const redirection = daemonkit.redirect(2, log, { reopenOn: 'SIGUSR2' });
    show('redirection', redirection);

    {
      const master = prefork({
        workers: 1,
        onWorkerStart(worker) { show('worker', worker); setTimeout(show, 20, 'worker', worker); },
        onWorkerStop: (worker) => show('worker', worker),
      });
      await master.ready;
      show('master', master);
      const child = fork();
      if (child === 0) { show('copy', master); daemonkit._exit(0); }
      await daemonkit.waitpidAsync(child);
      while (!fs.readFileSync(log, 'utf8').includes('now')) await pause(20);
      await master[Symbol.asyncDispose]();
      redirection[Symbol.dispose]();
    }`,
    { args: [log, pidfile] },
  );
  await group.hears('copy');
  await group.hears('worker', 2);
  appendFileSync(log, 'now\n');
  await group.endsWell();
  const daemon = (state: string) =>
    `Daemon { state: '${state}', pid: ${group.pid}, pidfile: '${pidfile}' }`;
  assert.deepEqual(
    group.words('daemon').flat(),
    ['starting', 'ready', 'reloading', 'stopping', 'disposed'].map(daemon),
  );
  assert.deepEqual(group.words('redirection').flat(), [
    `Redirection { fds: [ 2 ], path: '${log}' }`,
  ]);
  assert.deepEqual(
    group.words('worker').flat(),
    ['starting', 'ready', 'stopping'].map(
      (state) => `PreforkWorker { id: 1, state: '${state}', generation: 0 }`,
    ),
  );
  const [[master], [copy]] = [group.words('master'), group.words('copy')] as [
    [string][],
    [string][],
  ];
  assert.match(
    master?.[0] ?? '',
    /^PreforkMaster \{ port: 0, state: 'running', workers: \[ \{ id: 1, pid: \d+, generation: 0, state: 'ready' \} \] \}$/,
  );
  assert.equal(copy?.[0], "PreforkMaster { port: 0, state: 'a copy' }");
});
