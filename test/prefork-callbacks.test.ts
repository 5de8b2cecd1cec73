// What a program's callbacks throw, in the master and in its workers, and what does not settle.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './tools/daemons.js';
import { Grouped } from './tools/grouped.js';
import { stat } from './tools/proc.js';

/** The master's own children, however many generations of processes there are. */
const parents = (group: Grouped) => new Set(group.others().map((pid) => Number(stat(pid)[1])));

test('a fork() that throws in the child: the child ends as a failed worker, and forks nothing', async (t) => {
  const group = new Grouped(
    t,
    `let thrown = 0;
    process.on('exit', () => say('exit', process.pid));
    process.on('uncaughtException', () => {});
    process.on('unhandledRejection', () => {});
    atFork({ child() { if (thrown++ === 0) throw new Error('child hook'); } });
    const master = prefork({
      workers: 2,
      respawn: { delay: 50, attempts: 6 },
      onWorkerStart() {},
      onMasterReap: ({ exitCode, ready }) => say('ended', exitCode, ready),
      onMasterError: ({ message }) => say('error', message),
    });
    await master.finished.catch(({ code }) => say('finished', code));
    process.exit(0);`,
  );
  await group.hears('ended', 3);
  for (const parent of parents(group))
    assert.ok([group.pid, 0].includes(parent), 'a second master');
  await group.endsWell();
  assert.deepEqual(group.words('ended'), new Array(6).fill([1, false]));
  assert.deepEqual(group.words('finished'), [['ERR_WORKERS_FAILED']]);
  assert.deepEqual(
    group.words('exit'),
    [[group.pid]],
    "the master's listeners run in the master only",
  );
  assert.deepEqual(group.words('error'), []);
  assert.match(group.stderr, /a worker cannot start: Error: child hook/);
});

test('fork() that throws in the parent although there is a child: the worker serves on', async (t) => {
  const group = new Grouped(
    t,
    `const hook = atFork({ parent() { hook[Symbol.dispose](); throw new Error('parent hook'); } });
    const master = prefork({
      workers: 2,
      onWorkerStart() {},
      onMasterReap: ({ asked, exitCode }) => say('ended', asked, exitCode),
      onMasterError: ({ message }) => say('error', message),
    });
    await master.ready;
    say('ready', master.pids.length);
    await master.stop();`,
  );
  await group.endsWell();
  assert.deepEqual(group.words('error'), [['parent hook']]);
  assert.deepEqual(group.words('ready'), [[2]]);
  assert.deepEqual(group.words('ended'), [
    [true, 0],
    [true, 0],
  ]);
});

for (const how of ['throw', 'reject', 'hang']) {
  test(`callbacks of the master that ${how} hold nothing up`, async (t) => {
    const group = new Grouped(
      t,
      `const how = process.argv[1];
      const bad = (name) => {
        say(name);
        if (how === 'throw') throw new Error('from ' + name);
        if (how === 'reject') return Promise.reject(new Error('from ' + name));
        return new Promise(() => {});
      };
      process.on('warning', ({ message }) => say('warning', message));
      const master = prefork({
        workers: 2,
        readyTimeout: 1000,
        respawn: { minUptime: 1, delay: 20 },
        onWorkerStart() {},
        onMasterReap: () => bad('onMasterReap'),
        onMasterReload: () => bad('onMasterReload'),
        onMasterError: ({ message }) => bad(message),
      });
      await master.ready;
      const again = async (before) => until(() => master.pids.length === 2 && !master.pids.some((pid) => before.includes(pid)));
      const replaced = async () => {
        const before = master.pids;
        for (const pid of before) process.kill(pid, 'SIGKILL');
        await again(before);
      };
      await replaced();
      const reloading = master.reload().catch(({ code }) => say('reload', code));
      await replaced();
      await reloading;
      await master.reload().catch(({ code }) => say('reload', code));
      await replaced();
      const hook = atFork({ before() { hook[Symbol.dispose](); throw new Error('no fork'); } });
      await replaced();
      await master.stop();
      say('stopped');
      await master.finished;`,
      { args: [how] },
    );
    await group.endsWell();
    assert.equal(group.words('onMasterReap').length, 10);
    assert.equal(group.words('onMasterReload').length, 2);
    const code = how === 'hang' ? 'ETIMEDOUT' : 'ERR_RELOAD_FAILED';
    assert.deepEqual(group.words('reload'), [[code], [code]]);
    assert.equal(group.words('no fork').length, 1);
    // What onMasterReap throws, onMasterError gets; what that throws is a warning.
    const expected =
      how === 'hang' ? [] : [...new Array(10).fill('from from onMasterReap'), 'from no fork'];
    assert.deepEqual(group.words('warning').flat().toSorted(), expected.toSorted());
    assert.deepEqual(group.words('stopped'), [[]]);
  });
}

for (const [what, source] of [
  ['throws', "throw new Error('no database')"],
  ['rejects', "return Promise.reject(new Error('no database'))"],
]) {
  test(`a worker whose onWorkerStart ${what} ends with 1 and has served nobody, whoever listens`, async (t) => {
    const group = new Grouped(
      t,
      `import { createServer } from 'node:http';
      process.on('unhandledRejection', ({ message, code }) => say('unhandled', code ?? message));
      process.on('uncaughtException', () => say('never'));
      const server = createServer((_, response) => response.end('x'));
      const master = prefork({
        server,
        listen: { port: 0, host: '127.0.0.1' },
        workers: 1,
        respawn: { attempts: 2, delay: 10 },
        onWorkerStart() { ${source} },
        onMasterReap: ({ exitCode, ready }) => say('ended', exitCode, ready),
      });
      await master.finished.catch(({ code }) => say(code));`,
    );
    await group.endsWell();
    assert.deepEqual(group.words('ended'), [
      [1, false],
      [1, false],
    ]);
    assert.deepEqual(group.words('unhandled'), [['no database'], ['no database']]);
  });
}

test('a worker that is not ready serves nobody; its server listens when onWorkerStart is done', async (t) => {
  const group = new Grouped(
    t,
    `import { createServer } from 'node:http';
    let set = 'nothing';
    const server = createServer((_, response) => response.end(set));
    const master = prefork({
      server,
      listen: { port: 0, host: '127.0.0.1' },
      workers: 1,
      async onWorkerStart() { await pause(300); set = 'set up'; },
    });
    const response = await fetch('http://127.0.0.1:' + master.port, { headers: { connection: 'close' } });
    say(await response.text());
    await master.stop();`,
  );
  await group.endsWell();
  assert.deepEqual(group.said, [['set up']]);
});

test('worker.stop() soon after the start is no failure, and onWorkerStop that throws or hangs is no end', async (t) => {
  const group = new Grouped(
    t,
    `let kind = 'ready';
    const master = prefork({
      workers: 1,
      stopTimeout: 300,
      respawn: { attempts: 1, minUptime: 60_000, delay: 60_000, maxDelay: 60_000 },
      async onWorkerStart(worker) {
        if (worker.generation === 0) setTimeout(() => worker.stop(), 1);
        if (worker.generation === 1) worker.stop();
      },
      onWorkerStop({ generation }) {
        if (generation === 1) throw new Error('onWorkerStop throws');
        if (generation === 2) return new Promise(() => {});
      },
      onMasterReap: ({ exitCode, asked, generation }) => say('ended', generation, exitCode, asked),
    });
    await until(() => process.argv.length > 5);`,
  );
  await group.hears('ended', 4);
  for (const words of group.words('ended').slice(0, 4)) assert.deepEqual(words, [0, 0, false]);
  process.kill(group.pid, 'SIGKILL');
  await until('no orphan', () => group.others().every((pid) => stat(pid)[0] === 'Z'));
});

test('times up to 2^53-1 are what they say', async (t) => {
  const group = new Grouped(
    t,
    `const most = Number.MAX_SAFE_INTEGER;
    const master = prefork({
      workers: 1,
      stopTimeout: most,
      readyTimeout: most,
      idleTimeout: most,
      respawn: { minUptime: most, delay: most, maxDelay: most },
      onWorkerStart() {},
      onWorkerStop: () => pause(300),
      onMasterReap: ({ exitCode, signal, asked }) => say('ended', exitCode, signal, asked),
    });
    await master.ready;
    await master.stop();
    for (const name of ['stopTimeout', 'readyTimeout', 'idleTimeout']) {
      for (const value of [2 ** 53, Infinity, 0, 1.5, -1]) {
        try { prefork({ onWorkerStart() {}, [name]: value }); } catch ({ code }) { say(code); }
      }
    }`,
  );
  await group.endsWell();
  const [ended, ...codes] = group.said;
  assert.deepEqual(ended, ['ended', 0, null, true]);
  assert.deepEqual(codes, new Array(15).fill(['ERR_OUT_OF_RANGE']));
});
