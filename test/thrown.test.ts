// Whatever hooks and callbacks throw: strings, nothing at all, errors that take no properties, and what throws
// at every look.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Grouped } from './tools/grouped.js';

const strange = `
  const { proxy: revoked, revoke } = Proxy.revocable({}, {});
  revoke();
  const trap = () => { throw new Error('a trap'); };
  const thrown = {
    nothing: undefined,
    text: 'some words',
    symbol: Symbol('s'),
    bare: Object.create(null),
    frozen: Object.freeze(new Error('frozen')),
    shy: { [Symbol.for('nodejs.util.inspect.custom')]: trap },
    trap: new Proxy(new Error('hidden'), { get: trap, has: trap, getPrototypeOf: trap, isExtensible: trap }),
    revoked,
  };`;

test('a fork() whose hook throws tells that there is a child, whatever is thrown', async (t) => {
  const group = new Grouped(
    t,
    `${strange}
    for (const name in thrown) {
      for (const side of ['parent', 'child']) {
        const hook = atFork({ [side]() { throw thrown[name]; } });
        let pid, error;
        try { pid = fork(); } catch (caught) { error = caught; pid = caught.pid; }
        if (pid === 0) daemonkit._exit(error instanceof Error ? 7 : 6);
        if (side === 'parent') say(name, error instanceof Error, error === thrown[name] || error.cause === thrown[name]);
        hook[Symbol.dispose]();
        say(side, daemonkit.waitpid(pid).exitCode);
      }
    }`,
  );
  await group.endsWell();
  const names = ['nothing', 'text', 'symbol', 'bare', 'frozen', 'shy', 'trap', 'revoked'];
  for (const name of names) assert.deepEqual(group.words(name), [[true, true]], name);
  assert.deepEqual(group.words('parent'), new Array(names.length).fill([6]));
  assert.deepEqual(group.words('child'), new Array(names.length).fill([7]));
});

test('a daemon that cannot start says so, whatever is thrown', async (t) => {
  const group = new Grouped(
    t,
    `${strange}
    for (const name in thrown) {
      try {
        daemonkit.becomeDaemon({ detach: false, env: 'keep', privileged() { throw thrown[name]; } });
      } catch (error) {
        say(name, error instanceof Error, error.step);
      }
    }`,
  );
  await group.endsWell();
  assert.equal(group.said.length, 8);
  for (const [, ...words] of group.said) assert.deepEqual(words, [true, 'privileged']);
});

test('a master replaces, reloads and stops, whatever its callbacks throw', async (t) => {
  const group = new Grouped(
    t,
    `${strange}
    process.on('unhandledRejection', () => say('unhandled'));
    process.on('uncaughtException', () => say('uncaught'));
    process.on('warning', () => {});
    let name;
    const bad = () => { throw thrown[name]; };
    const master = prefork({
      workers: 2,
      respawn: { minUptime: 1, delay: 10, maxDelay: 10 },
      onWorkerStart() {},
      onMasterReap: bad,
      onMasterReload: bad,
      onMasterError: bad,
    });
    await master.ready;
    const replaced = async () => {
      const [pid] = master.pids;
      process.kill(pid, 'SIGKILL');
      await until(() => master.pids.length === 2 && !master.pids.includes(pid));
    };
    for (name in thrown) {
      await replaced();
      await master.reload().catch((error) => say('reload', error instanceof Error, error.code));
      for (const side of ['before', 'parent']) {
        const hook = atFork({ [side]() { hook[Symbol.dispose](); throw thrown[name]; } });
        await replaced();
      }
    }
    process.once('SIGUSR2', async () => {
      await master.stop();
      process.exit(0);
    });
    say('waits', master.pids);`,
  );
  const [pids] = (await group.hears('waits')) as [number[]];
  assert.deepEqual(group.others().toSorted(), pids.toSorted(), 'no worker but those it knows');
  process.kill(group.pid, 'SIGUSR2');
  await group.endsWell();
  assert.deepEqual(group.words('reload'), new Array(8).fill([true, 'ERR_RELOAD_FAILED']));
  for (const what of ['unhandled', 'uncaught']) assert.deepEqual(group.words(what), [], what);
});

test("an error's own pid is not a worker's", async (t) => {
  const group = new Grouped(
    t,
    `import { spawn } from 'node:child_process';
    const other = spawn('sleep', ['1000']);
    const hook = atFork({ before() { hook[Symbol.dispose](); throw Object.assign(new Error(), { pid: other.pid }); } });
    const master = prefork({ workers: 1, respawn: { delay: 1 }, onWorkerStart() {}, onMasterError: ({ pid }) => say('error', pid === other.pid) });
    await master.ready;
    say('workers', master.pids.includes(other.pid));
    await master.stop();
    other.on('exit', (code, signal) => say('other', signal));
    other.kill('SIGALRM');`,
  );
  await group.endsWell();
  assert.deepEqual(group.said, [
    ['error', true],
    ['workers', false],
    ['other', 'SIGALRM'],
  ]);
});
