// Every wait can be ended by an AbortSignal, with the same error, and leaves nothing of itself behind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { pbkdf2 } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { openDescriptors, quiesce, SignalFlag, waitpidAsync } from 'daemonkit';
import { Grouped } from './tools/grouped.js';
import { runScript } from './tools/script.js';

const reason = new Error('mine');
const aborted = { name: 'AbortError', code: 'ABORT_ERR', cause: reason };
const hit = () => process.kill(process.pid, 'SIGALRM');

test('a signal that has aborted before, and what is no signal', async () => {
  using flag = new SignalFlag('SIGALRM');
  hit();
  type Waits = (options: { signal: AbortSignal }) => Promise<unknown>;
  const waits: Waits[] = [
    (options) => quiesce(options),
    (options) => flag.wait(options),
    (options) => waitpidAsync(process.pid, options),
    async (options) => flag.events(options).next(),
  ];
  for (const wait of waits) {
    await assert.rejects(wait({ signal: AbortSignal.abort(reason) }), aborted, `${wait}`);
    const type = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
    for (const signal of [null, 1, {}, 'signal', new EventTarget()]) {
      await assert.rejects(wait({ signal } as never), type, `${wait}`);
    }
    const value = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' };
    await assert.rejects(wait({ singal: AbortSignal.abort() } as never), value, `${wait}`);
  }
});

test('quiesce() and waitpidAsync() end at once, and can be called again', async () => {
  const work = promisify(pbkdf2)('word', 'salt', 1_000_000, 64, 'sha512');
  const controller = new AbortController();
  const waiting = quiesce({ signal: controller.signal });
  controller.abort(reason);
  await assert.rejects(waiting, aborted);
  await work;
  await quiesce();

  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  try {
    const before = openDescriptors().length;
    const again = new AbortController();
    const waits = waitpidAsync(child.pid as number, { signal: again.signal });
    again.abort(reason);
    await assert.rejects(waits, aborted);
    assert.equal(openDescriptors().length, before);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

test('iteration: return() ends a pending next(), an abort rejects it, and neither loses an event', async () => {
  using flag = new SignalFlag('SIGALRM');
  const loop = flag[Symbol.asyncIterator]();
  const pending = [loop.next(), loop.next()];
  const done = { done: true, value: undefined };
  assert.deepEqual(await loop.return?.(), done);
  assert.deepEqual(await Promise.all(pending), [done, done]);
  assert.deepEqual(await loop.next(), done);

  const controller = new AbortController();
  const { signal } = controller;
  const ends = flag.events({ signal });
  const [first, second] = [ends.next(), ends.next()];
  hit();
  assert.equal((await first).value?.count, 1);
  controller.abort(reason);
  await assert.rejects(second, aborted);
  assert.deepEqual(await ends.next(), done);

  // If no call waits at the abort, the next one that waits gets the error, once.
  const late = new AbortController();
  const told = flag.events({ signal: late.signal });
  hit();
  assert.equal((await told.next()).value?.count, 2);
  late.abort(reason);
  await assert.rejects(told.next(), aborted);
  assert.deepEqual(await told.next(), done);

  // What came while no loop was under way is there for the next one.
  hit();
  {
    await using rest = flag.events();
    assert.equal((await rest.next()).value?.count, 3);
  }
  const [one, other] = [flag.events(), flag.events()];
  const shared = [one.next(), other.next()];
  hit();
  hit();
  const counts = (await Promise.all(shared)).map(({ value }) => value?.count);
  assert.deepEqual(counts.sort(), [4, 5], 'loops share the events');
  const [left, right] = [one.next(), other.next()];
  flag[Symbol.dispose]();
  assert.deepEqual(await Promise.all([left, right]), [done, done]);
  await assert.rejects(flag.events().next(), { code: 'ERR_INVALID_STATE' });
});

test('a loop that was left, by break, return() or abort, keeps no process alive', () => {
  const { status, stdout, stderr } = runScript(`
    const flag = new daemonkit.SignalFlag('SIGALRM');
    const loop = flag[Symbol.asyncIterator]();
    loop.next().then(({ done }) => console.log('next', done));
    loop.return();
    const controller = new AbortController();
    (async () => {
      try { for await (const _ of flag.events({ signal: controller.signal })); }
      catch ({ name }) { console.log(name); }
    })();
    flag.wait({ signal: controller.signal }).catch(({ code }) => console.log(code));
    setTimeout(() => controller.abort(), 1);`);
  assert.deepEqual([status, stdout, stderr], [0, 'next true\nAbortError\nABORT_ERR\n', '']);
});

test('reload: taken back while it can be, else the wait ends; those of others go on', async (t) => {
  const group = new Grouped(
    t,
    `let block = 'hook', loads = 0;
    const serves = [];
    const master = prefork({
      workers: 2,
      async onWorkerStart({ generation }) {
        if (generation > 0 && block === 'start') await new Promise(() => {});
      },
      async onWorkerStop() { if (block === 'stop') await pause(300); },
      async onMasterReload() { loads++; if (block === 'hook') await new Promise(() => {}); },
      onMasterError: ({ message }) => say('error', message),
    });
    await master.ready;
    const reason = new Error('mine');
    const told = async (name, promise) => promise.then(
      () => say(name, 'well'),
      ({ name: kind, code, cause, message }) => say(name, kind, code ?? message, cause?.message),
    );
    const old = String(master.pids);
    const same = () => String(master.pids) === old;

    await told('before', master.reload({ signal: AbortSignal.abort(reason) }));
    await told('wrong', master.reload({ signal: 1 }));
    say('loads', loads);

    let controller = new AbortController();
    let reload = told('hook', master.reload({ signal: controller.signal }));
    controller.abort(reason);
    await reload;
    say('as before', same());

    block = 'start';
    controller = new AbortController();
    reload = told('start', master.reload({ signal: controller.signal }));
    await until(() => master.pids.length === 4);
    controller.abort(reason);
    await reload;
    say('as before', same());

    // Two calls wait for the second one: it continues when one of them is aborted.
    controller = new AbortController();
    const first = new AbortController();
    const all = [
      told('first', master.reload({ signal: first.signal })),
      told('gives up', master.reload({ signal: controller.signal })),
      told('goes on', master.reload()),
    ];
    await until(() => master.pids.length === 4);
    controller.abort(reason);
    await all[1];
    block = '';
    first.abort(reason);
    await Promise.all(all);
    say('replaced', !same(), master.pids.length);

    // A reload without a waiting call is cancelled. Its workers end slowly.
    block = 'stop';
    const was = loads;
    controller = new AbortController();
    const one = told('one', master.reload());
    const none = told('none', master.reload({ signal: controller.signal }));
    controller.abort(reason);
    await Promise.all([one, none]);
    say('loads', loads - was);

    controller = new AbortController();
    reload = master.reload({ signal: controller.signal });
    const before = [...master.pids];
    await until(() => master.pids.length === 4);
    await until(() => master.pids.length === 3);
    controller.abort(reason);
    await told('late', reload);
    await until(() => master.pids.length === 2);
    say('replaced', !before.some((pid) => master.pids.includes(pid)));

    await told('unstopped', master.stop({ signal: AbortSignal.abort(reason) }));
    say('left', master.pids.length);
    controller = new AbortController();
    const stop = told('stop', master.stop({ signal: controller.signal }));
    controller.abort(reason);
    await stop;
    await told('stopped', master.stop());
    await told('again', master.stop({ signal: new AbortController().signal }));
    say('left', master.pids.length);`,
  );
  await group.endsWell();
  const error = ['AbortError', 'ABORT_ERR', 'mine'];
  assert.deepEqual(group.said, [
    ['before', ...error],
    ['wrong', 'TypeError', 'ERR_INVALID_ARG_TYPE', null],
    ['loads', 0],
    ['hook', ...error],
    ['as before', true],
    ['start', ...error],
    ['as before', true],
    ['gives up', ...error],
    ['first', ...error],
    ['goes on', 'well'],
    ['replaced', true, 2],
    ['none', ...error],
    ['one', 'well'],
    ['loads', 1],
    ['late', ...error],
    ['replaced', true],
    ['unstopped', ...error],
    ['left', 2],
    ['stop', ...error],
    ['stopped', 'well'],
    ['again', 'well'],
    ['left', 0],
  ]);
  assert.equal(group.stderr, '');
});

test('in a copy of the master no signal has a wait settle', async (t) => {
  const group = new Grouped(
    t,
    `const master = prefork({
      workers: 1,
      onWorkerStart() {},
      onMasterReload: () => new Promise(() => {}),
    });
    await master.ready;
    const controller = new AbortController();
    const { signal } = controller;
    const settled = [];
    const reload = master.reload({ signal }).catch(() => settled.push('reload'));
    const child = fork();
    controller.abort();
    if (child === 0) {
      master.stop({ signal: AbortSignal.timeout(1) }).catch(() => settled.push('stop'));
      await pause(100);
      process.exit(settled.length);
    }
    await reload;
    say('copy', (await daemonkit.waitpidAsync(child)).exitCode);
    await master.stop();`,
  );
  await group.endsWell();
  assert.deepEqual(group.said, [['copy', 0]]);
});
