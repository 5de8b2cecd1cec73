// The warmup: before the first workers and those of a reload; what it is for, as memory that stays shared.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prefork } from 'daemonkit';
import { Grouped } from './tools/grouped.js';

/** 30 MB of objects behind a closure. Workers read all of them, some by requests to themselves. */
const reading = `
  const { createServer } = await import('node:http');
  const serving = () => {
    const data = new Map(Array.from({ length: 120_000 }, (_, i) => {
      const name = \`item \${i} of the catalogue\`;
      return [name, { name, price: i / 100, tags: [\`tag \${i % 1000}\`, \`kind \${i}\`] }];
    }));
    return createServer((request, response) => {
      const answer = data.get(decodeURIComponent(request.url.slice(1)));
      response.end(JSON.stringify(answer));
    }).on('read', (found) => {
      for (let i = 0; i < data.size; i++) {
        found.bytes += JSON.stringify(data.get(\`item \${i} of the catalogue\`)).length;
      }
    });
  };
  const ownKiB = (pid) => {
    const text = fs.readFileSync(\`/proc/\${pid}/smaps_rollup\`, 'latin1');
    const kib = (field) => Number(new RegExp(\`^\${field}:\\\\s*(\\\\d+)\`, 'm').exec(text)[1]);
    return kib('Private_Clean') + kib('Private_Dirty');
  };
  for (const warmup of [undefined, false]) {
    const server = serving();
    const onWorkerStart = () => {
      const found = { bytes: 0 };
      for (let i = 0; i < 3; i++) server.emit('read', found);
      if (found.bytes < 1e6) throw new Error('nothing read');
    };
    const listen = { port: 0, host: '127.0.0.1' };
    const master = prefork({ server, listen, workers: 1, onWorkerStart, warmup });
    await master.ready;
    const response = await fetch(\`http://127.0.0.1:\${master.port}/item%207%20of%20the%20catalogue\`);
    say('answer', (await response.json()).name);
    say('private', ownKiB(master.pids[0]));
    await master.stop();
  }
  process.exit(0);`;

test('a worker that reads 30 MB of objects writes to few of their pages', async (t) => {
  const group = new Grouped(t, reading);
  await group.endsWell();
  const [[warm = Infinity] = [], [cold = 0] = []] = group.words('private') as number[][];
  t.diagnostic(`KiB of its own: ${warm} with a warmup, ${cold} without`);
  assert.deepEqual(group.words('answer'), new Array(2).fill(['item 7 of the catalogue']));
  assert.ok(warm < cold * 0.6, `${warm} KiB of its own, without a warmup ${cold}`);
});

test('a warmup of the program is awaited in the master, before the first fork and before a reload', async (t) => {
  const group = new Grouped(
    t,
    `let [loaded, warm] = ['', 0];
    const master = prefork({
      workers: 2,
      async warmup() {
        say('warmup', process.pid, master.pids.length, loaded);
        await pause(100);
        warm++;
      },
      onMasterReload() { loaded = 'anew'; },
      onWorkerStart({ generation }) { say('worker', generation, warm); },
    });
    await master.ready;
    await master.reload();
    say('flags', typeof globalThis.gc);
    await master.stop();`,
  );
  await group.endsWell();
  assert.deepEqual(group.words('warmup'), [
    [group.pid, 0, ''],
    [group.pid, 2, 'anew'],
  ]);
  assert.deepEqual(
    group.words('worker').sort(),
    [
      [0, 1],
      [0, 1],
      [1, 2],
      [1, 2],
    ],
    'generation, warmups before it',
  );
  assert.deepEqual(group.words('flags'), [['undefined']]);
});

test('a warmup that fails: the master ends, or the reload does and the workers stay', async (t) => {
  const group = new Grouped(
    t,
    `const told = ({ code, message }) => [code, message];
    const onWorkerStart = () => {};
    const options = { workers: 1, onWorkerStart, respawn: { attempts: 3 } };
    const failing = async (thrown) => {
      const master = prefork({ ...options, warmup() { throw thrown; } });
      await master.ready.catch((error) => say('ready', ...told(error)));
      await master.finished.catch((error) => say('finished', ...told(error), master.pids.length));
    };
    await failing(new Error('no data'));
    await failing(Object.assign(new Error('no file'), { code: 'ENOENT' }));
    let act = () => {};
    const master = prefork({ ...options, readyTimeout: 500, warmup: () => act() });
    await master.ready;
    const before = String(master.pids);
    act = async () => { throw new Error('no data'); };
    await master.reload().catch((error) => say('reload', ...told(error)));
    act = () => new Promise(() => {});
    await master.reload().catch((error) => say('reload', ...told(error)));
    const taken = new AbortController();
    act = () => { taken.abort(); return pause(50); };
    await master.reload(taken).catch((error) => say('reload', error.code, error.name));
    say('same', String(master.pids) === before);
    act = () => {};
    await master.reload();
    say('same', String(master.pids) === before);
    await master.stop();`,
  );
  await group.endsWell();
  const fault = ['ERR_WARMUP_FAILED', 'no data'];
  assert.deepEqual(group.words('ready'), [fault, ['ENOENT', 'no file']]);
  assert.deepEqual(group.words('finished'), [
    [...fault, 0],
    ['ENOENT', 'no file', 0],
  ]);
  assert.deepEqual(group.words('reload'), [
    fault,
    ['ETIMEDOUT', 'warmup has not settled within 500 ms'],
    ['ABORT_ERR', 'AbortError'],
  ]);
  assert.deepEqual(group.words('same'), [[true], [false]]);
});

test('stop() during a warmup: no worker is forked, now or later', async (t) => {
  const group = new Grouped(
    t,
    `let [began, go] = [];
    const begun = new Promise((resolve) => { began = resolve; });
    const master = prefork({
      workers: 1,
      warmup() { began(); return new Promise((resolve) => { go = resolve; }); },
      onWorkerStart() { say('worker'); },
    });
    await begun;
    const rejected = master.ready.catch(({ code }) => say('ready', code));
    await master.stop();
    await rejected;
    await master.finished;
    go();
    await pause(100);
    say('pids', master.pids.length);`,
  );
  await group.endsWell();
  assert.deepEqual(group.words('ready'), [['ERR_INVALID_STATE']]);
  assert.deepEqual(group.words('worker'), []);
  assert.deepEqual(group.words('pids'), [[0]]);
});

test('what hangs on the server is read as it is: no getter, trap or generator of the program runs', async (t) => {
  const group = new Grouped(
    t,
    `const ran = [];
    const ballast = Array.from({ length: 200_000 }, (_, i) => ({ i, text: 'number ' + i }));
    const list = [1, , 'three'];
    const cycle = { list, map: new Map([[{}, new Set(['a' + process.pid])]]), ballast };
    cycle.self = cycle;
    Object.defineProperty(cycle, 'getter', { enumerable: true, get() { ran.push('getter'); } });
    const trap = (name) => () => { ran.push(name); throw new Error(name); };
    cycle.proxy = new Proxy({}, { ownKeys: trap('ownKeys'), get: trap('get'), getOwnPropertyDescriptor: trap('own') });
    cycle.revoked = (({ proxy, revoke }) => (revoke(), proxy))(Proxy.revocable({}, {}));
    cycle.generator = (function* () { ran.push('generator'); yield 1; })();
    class Loud extends Map { get(key) { ran.push('get'); return super.get(key); } forEach() { ran.push('forEach'); } }
    cycle.loud = new Loud([['a', 'b']]);
    cycle.bytes = Buffer.alloc(1e6);
    cycle.elements = Object.defineProperty([1, 'two'], 0, { get() { ran.push('element'); } });
    cycle.holes = Object.setPrototypeOf([1, , 'a'], new Proxy([], { get: trap('hole'), has: trap('has') }));
    cycle.sparse = Object.assign([], { 4e9: 'far' });
    cycle.letters = Object('letter'.repeat(5e6));
    const before = JSON.stringify(Object.keys(globalThis)) + Object.getOwnPropertySymbols(globalThis).length;
    // A program's own, which the collection sets otherwise; the last one is given back only if it is the program's.
    const flags = ['--expose-gc', '--no-flush-bytecode', '--heap-growing-percent=33', '--no-incremental-marking'];
    if (process.versions.v8.split('.')[0] >= 12) flags.push('--memory-reducer-gc-count=7');
    const { cachedDataVersionTag, setFlagsFromString } = await import('node:v8');
    const tags = [cachedDataVersionTag(), ...flags.map((flag) => (setFlagsFromString(flag), cachedDataVersionTag()))];
    const master = prefork({
      workers: 1,
      onWorkerStart() { say('worker', cycle.list.length, 1 in list, ran); },
    });
    await master.ready;
    say('ran', ran);
    say('flags', new Set(tags).size > flags.length, cachedDataVersionTag() === tags.at(-1), typeof (await import('node:vm')).runInNewContext('gc'));
    say('same', before === JSON.stringify(Object.keys(globalThis)) + Object.getOwnPropertySymbols(globalThis).length);
    await master.stop();`,
  );
  await group.endsWell();
  assert.deepEqual(group.words('worker'), [[3, false, []]]);
  assert.deepEqual(group.words('ran'), [[[]]]);
  assert.deepEqual(group.words('flags'), [[true, true, 'function']]);
  assert.deepEqual(group.words('same'), [[true]]);
});

test('warmup is true, false or a function', () => {
  for (const warmup of ['yes', 1, {}]) {
    const options = { workers: 1, onWorkerStart() {}, warmup } as object;
    assert.throws(() => prefork(options as Parameters<typeof prefork>[0]), {
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_TYPE',
      message: /options\.warmup.*boolean or function/,
    });
  }
});
