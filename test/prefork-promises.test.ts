// What ready, stop(), reload() and serve() are rejected with, and that each of them settles.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Grouped } from './tools/grouped.js';

test('respawn: false and an early death: ready is rejected, the other worker goes on', async (t) => {
  const group = new Grouped(
    t,
    `const master = prefork({
      workers: 2,
      respawn: false,
      onWorkerStart({ id }) { if (id === 2) process.exit(3); },
      onMasterReap: ({ id, exitCode }) => say('ended', id, exitCode),
    });
    await master.ready.catch(({ code, message }) => say('not ready', code, message));
    await until(() => master.pids.length === 1);
    await master.stop();`,
  );
  await group.endsWell();
  assert.deepEqual(group.said, [
    ['ended', 2, 3],
    ['not ready', 'ERR_WORKERS_FAILED', 'worker 2 has ended before it was ready'],
    ['ended', 1, 0],
  ]);
});

test('a stop before the first fork, or while one waits for the thread pool: there is none', async (t) => {
  const group = new Grouped(
    t,
    `import { pbkdf2 } from 'node:crypto';
    let forks = 0;
    atFork({ before() { forks++; } });
    const make = () => prefork({ workers: 2, listen: { port: 0 }, onWorkerStart() {} });
    const early = make();
    const codes = early.ready.catch(({ code }) => say('ready', code));
    await early.stop();
    await codes;
    const busy = new Promise((resolve) => pbkdf2('a', 'b', 400_000, 64, 'sha512', resolve));
    const late = make();
    await pause(20);
    const reload = late.reload().catch(({ code }) => say('reload', code));
    await late.stop();
    await reload;
    await late.reload().catch(({ code }) => say('stopped', code));
    await Promise.all([late.finished, busy]);
    await pause(100);
    say('forks', forks, early.pids, late.pids);`,
  );
  await group.endsWell();
  assert.deepEqual(group.said, [
    ['ready', 'ERR_INVALID_STATE'],
    ['reload', 'ERR_INVALID_STATE'],
    ['stopped', 'ERR_INVALID_STATE'],
    ['forks', 0, [], []],
  ]);
});

test('every rejection has a code: a reload whose fork a hook refuses, a server that is none', async (t) => {
  const group = new Grouped(
    t,
    `import { createServer } from 'node:http';
    const refused = async (promise) => promise.then(() => 'resolved', ({ code }) => code);
    const master = prefork({ workers: 1, async onWorkerStart(worker) {
      const calls = [[{}], [createServer()], [createServer(), '3'], [createServer(), -1], [createServer(), 9999]];
      const codes = await Promise.all(calls.map((args) => refused(worker.serve(...args))));
      say('serve', ...codes);
    } });
    await master.ready;
    const mine = new Error('no fork');
    const hook = atFork({ before() { throw mine; } });
    const reload = master.reload();
    say('reload', await refused(reload), await reload.catch((error) => error === mine));
    hook[Symbol.dispose]();
    await master.stop();
    say('stopped', await refused(master.reload()));
    await master.finished;`,
  );
  await group.endsWell();
  const type = 'ERR_INVALID_ARG_TYPE';
  assert.deepEqual(group.words('serve'), [[type, type, type, 'ERR_OUT_OF_RANGE', 'EINVAL']]);
  assert.deepEqual(group.words('reload'), [['ERR_RELOAD_FAILED', true]]);
  assert.deepEqual(group.words('stopped'), [['ERR_INVALID_STATE']]);
});
