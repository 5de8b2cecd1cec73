// Reloads that replace one worker after the other while clients hold the server to its answers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './tools/daemons.js';
import { Clients } from './tools/preforked.js';
import { Stepped } from './tools/stepped.js';

test('rolling reloads: no request fails, and there is never more than one process more', async (t) => {
  const group = new Stepped(
    t,
    `const master = start({ workers: 3, reloadSurge: 1 });
    await master.ready;
    say('port', master.port);
    await next();
    await master.reload();
    say('step', master.pids.length);
    await next();
    const calls = [master.reload(), master.reload({ surge: 2 }), master.reload({ surge: Infinity })];
    await Promise.all(calls);
    say('step', master.pids.length);
    await master.finished;`,
  );
  await group.hears('port');
  let most = 0;
  const counting = setInterval(() => {
    most = Math.max(most, group.others().length);
  }, 5);
  t.after(() => clearInterval(counting));
  const clients = new Clients(group, 6, 6);
  await until('the first generation', () => clients.generations.has(0));
  process.kill(group.pid, 'SIGHUP');
  await group.hears('exit', 3);
  assert.deepEqual(await group.step(), [3]);
  assert.equal(most, 4, 'one more than three');
  // The second and the third call are one reload, with the smaller number.
  assert.deepEqual(await group.step(), [3]);
  assert.ok(most <= 5, `${most} processes`);
  await until('the last generation', () => clients.generations.has(4));
  await clients.stop();
  assert.deepEqual(clients.failures, []);
  assert.deepEqual([...clients.generations].toSorted(), [0, 1, 2, 3, 4]);
  const exits = group.words('exit');
  assert.ok(exits.every(([, how, why, asked]) => how === 0 && why === 'reload' && asked === true));
  assert.equal(exits.length, 12);
  assert.deepEqual(group.words('error'), []);
  process.kill(group.pid, 'SIGTERM');
  await group.endsWell();
});

test('a rolling reload that fails or is taken back ends where it is, and says how far it came', async (t) => {
  const group = new Stepped(
    t,
    `let bad = 0, slow = 0, gate;
    const master = start({
      workers: 3,
      stopTimeout: 20_000,
      respawn: { minUptime: 1 },
      onMasterReload: () => gate,
      async onWorkerStart({ id }) {
        if (id === bad) process.exit(7);
        if (id === slow) await pause(60_000);
      },
    });
    const wrong = [0, 1025, 1.5, '1'].map((surge) => code(master.reload({ surge })));
    say('wrong', ...(await Promise.all(wrong)), await code(master.reload({ surg: 1 })));
    await master.ready;
    const old = master.pids;
    const kept = () => master.pids.filter((pid) => old.includes(pid)).length;
    say('port', master.port);
    await next();
    bad = 2;
    const failed = await master.reload({ surge: 1 }).catch((error) => error);
    bad = 0;
    say('step', failed.code, failed.message, kept(), master.pids.length);
    await next();
    slow = 2;
    const abort = new AbortController();
    const back = code(master.reload({ surge: 1, signal: abort.signal }));
    const middle = master.pids.find((pid) => !old.includes(pid));
    await until(() => master.pids.length === 4 && !master.pids.includes(middle));
    abort.abort();
    const aborted = await back;
    slow = 0;
    say('step', aborted, kept(), master.pids.length);
    await next();
    gate = pause(50).then(() => { throw new Error('not today'); });
    const message = await master.reload({ surge: 1 }).catch((error) => error.message);
    gate = undefined;
    say('step', message, kept());
    await next();
    await master.reload({ surge: 3 });
    say('step', kept(), master.pids.length);
    await next();
    const last = code(master.reload({ surge: 1 }));
    await until(() => master.pids.length === 4);
    await master.stop();
    say('step', await last);`,
  );
  const [type, range, value] = [
    'ERR_INVALID_ARG_TYPE',
    'ERR_OUT_OF_RANGE',
    'ERR_INVALID_ARG_VALUE',
  ];
  assert.deepEqual(await group.hears('wrong'), [range, range, range, type, value]);
  await group.hears('port');
  const clients = new Clients(group, 4, 4);
  await until('answers', () => clients.generations.has(0));
  const message = 'the new worker 2 has ended before it was ready; 1 of 3 workers were replaced';
  assert.deepEqual(await group.step(), ['ERR_RELOAD_FAILED', message, 2, 3]);
  assert.deepEqual(await group.step(), ['ABORT_ERR', 2, 3]);
  assert.deepEqual(await group.step(), ['not today', 2]);
  assert.deepEqual(await group.step(), [0, 3]);
  await clients.stop();
  assert.deepEqual(clients.failures, []);
  assert.deepEqual(await group.step(), ['ERR_INVALID_STATE']);
  await group.endsWell();
});
