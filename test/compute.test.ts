// runInFork(): its results, what does not run in the child, and that nothing is left of a child.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { holds } from './tools/compute.js';
import { until } from './tools/daemons.js';
import { cleanEnvironment } from './tools/environment.js';
import { Grouped } from './tools/grouped.js';
import { hasEnded } from './tools/proc.js';
import { scratch } from './tools/scratch.js';
import { runScript, scriptCommand } from './tools/script.js';

test('results are what structuredClone() makes of them, and a Buffer stays one', () => {
  holds(`
  const same = async (make) => {
    const result = await runInFork(make);
    assert.deepEqual(result, Buffer.isBuffer(make()) ? make() : structuredClone(make()));
    return result;
  };
  const values = [undefined, null, true, 0, -0, NaN, 2n ** 70n, 'text \\u{1f600}', new Date(7), /x/giu, [1, , 3],
    { a: { b: [new Map([[{}, new Set([1])]])] } }, Object(1n), new Float64Array([1.5]), new BigInt64Array([1n]),
    new DataView(new ArrayBuffer(9), 1, 3), new ArrayBuffer(3), new Uint8ClampedArray(70000).fill(3)];
  for (const value of values) await same(() => value);
  assert.ok(Object.is(await runInFork(() => -0), -0));
  const circle = { list: [] };
  circle.list.push(circle);
  const copy = await runInFork(() => circle);
  assert.equal(copy.list[0], copy);

  for (const size of [0, 5, 8192, 65535, 65536, 300001]) {
    const bytes = Buffer.alloc(size, 'daemonkit');
    const [one, part] = await runInFork(() => [bytes, bytes.subarray(3)]);
    assert.ok(Buffer.isBuffer(one) && one.equals(bytes) && part.equals(bytes.subarray(3)));
    // Views of one buffer are views of one buffer, and so is it itself, large or not.
    const shared = await runInFork(() => {
      const { buffer } = Uint8Array.from(bytes);
      return { view: new Uint8Array(buffer), again: new DataView(buffer), buffer };
    });
    assert.equal(shared.view.buffer, shared.buffer);
    assert.equal(shared.again.buffer, shared.buffer);
    assert.ok(Buffer.from(shared.buffer).equals(bytes));
  }
  const late = await runInFork(() => ({ buffer: new ArrayBuffer(100000), list: [new Float32Array(70000).fill(2)] }));
  assert.equal(late.buffer.byteLength, 100000);
  assert.equal(late.list[0][69999], 2);
  late.list[0][0] = 9; // the parent's own memory
  assert.equal(await runInFork(() => late.list[0][0]), 9);
  // Not in one piece: the head is mapped, too.
  const many = await runInFork(() => Array.from({ length: 20000 }, (_, i) => 'item ' + i));
  assert.equal(many[19999], 'item 19999');
  const error = await runInFork(() => new RangeError('told', { cause: 1 }));
  assert.ok(error instanceof RangeError && error.message === 'told');
  assert.equal(await runInFork(() => process.ppid), process.pid);
  `);
});

test('the function has the heap as it is, and changes it for itself only', () => {
  holds(`
  const { AsyncLocalStorage } = await import('node:async_hooks');
  const store = new Map([['a', 1]]);
  const running = runInFork(() => { store.set('a', 2); return store.get('a') + store.size; });
  store.set('b', 1);
  assert.equal(await running, 4); // of the moment of the fork, which is not that of the call
  assert.equal(store.get('a'), 1);
  const storage = new AsyncLocalStorage();
  assert.equal(await storage.run('here', () => runInFork(() => storage.getStore())), 'here');
  assert.equal(await storage.run('here', () => runInFork(async () => { await pause(1); return storage.getStore(); })), 'here');
  `);
});

test('an error comes with all that it has; what cannot be copied is a DataCloneError', () => {
  holds(`
  class OwnError extends TypeError { name = 'OwnError'; }
  const thrown = Object.assign(new OwnError('bad', { cause: new RangeError('why', { cause: 'deep' }) }),
    { code: 'E_OWN', errno: -7, more: { list: [1n] }, method() {} });
  for (const fn of [() => { throw thrown; }, async () => { await pause(1); throw thrown; }, () => Promise.reject(thrown)]) {
    const error = await failure(runInFork(fn));
    assert.ok(error instanceof TypeError);
    assert.deepEqual([error.name, error.message, error.code, error.errno, error.more, 'method' in error],
      ['OwnError', 'bad', 'E_OWN', -7, { list: [1n] }, false]);
    assert.ok(error.cause instanceof RangeError);
    assert.equal(error.cause.cause, 'deep');
    assert.equal(error.stack, thrown.stack);
  }
  const many = await failure(runInFork(() => { throw new AggregateError([new SyntaxError('x'), 3], 'all'); }));
  assert.ok(many instanceof AggregateError && many.errors[0] instanceof SyntaxError && many.errors[1] === 3);
  const aborted = await failure(runInFork(() => { AbortSignal.abort().throwIfAborted(); }));
  assert.ok(aborted instanceof DOMException && aborted.name === 'AbortError');
  const missing = await failure(runInFork(() => fs.readFileSync('/no/such/file')));
  assert.deepEqual([missing.code, missing.syscall, missing.path], ['ENOENT', 'open', '/no/such/file']);
  assert.deepEqual(await failure(runInFork(() => { throw { odd: 1 }; })), { odd: 1 });
  assert.equal(await failure(runInFork(() => { throw undefined; })), undefined);
  const circle = new Error('circle');
  circle.cause = circle;
  assert.equal((await failure(runInFork(() => { throw circle; }))).cause.message, 'circle');
  assert.match((await failure(runInFork(() => { throw () => 'a function'; }))).message, /Function/);
  const evil = new Proxy({}, { get() { throw new Error('a trap'); }, ownKeys() { throw new Error('a trap'); } });
  assert.ok(await failure(runInFork(() => { throw evil; })) instanceof Error);
  const getter = { get x() { throw new RangeError('of the getter'); } };
  assert.equal((await failure(runInFork(() => getter))).message, 'of the getter');
  const overflow = await failure(runInFork(() => { const deeper = () => deeper() + 1; return deeper(); }));
  assert.ok(overflow instanceof RangeError);
  for (const value of [() => 1, Symbol('s'), { f() {} }, new SharedArrayBuffer(8), new Int32Array(new SharedArrayBuffer(8)), new WeakMap(), new Proxy({}, {})]) {
    const error = await failure(runInFork(() => value));
    assert.deepEqual([error instanceof DOMException, error.name, error.code], [true, 'DataCloneError', 25]);
  }
  `);
});

test('a child that ends otherwise: how, and what it has used', () => {
  holds(`
  const told = async (fn, options) => {
    const { code, exitCode, signal, coreDumped, rusage, pid } = await failure(runInFork(fn, options));
    assert.ok(pid > 1 && rusage.maxRSS > 1000);
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
    return [code, exitCode, signal, coreDumped];
  };
  assert.deepEqual(await told(() => process.exit(3)), ['ERR_FORK_ENDED', 3, null, false]);
  assert.deepEqual(await told(() => process.exit()), ['ERR_FORK_ENDED', 0, null, false]);
  assert.deepEqual(await told(() => daemonkit._exit(0)), ['ERR_FORK_ENDED', 0, null, false]);
  assert.deepEqual(await told(async () => { await pause(1); process.exit(4); }), ['ERR_FORK_ENDED', 4, null, false]);
  const killed = ['ERR_FORK_ENDED', null, 'SIGKILL', false];
  assert.deepEqual(await told(() => { process.kill(process.pid, 'SIGKILL'); for (;;); }), killed);
  const outside = runInFork(() => { for (;;); });
  const end = failure(outside);
  let pid;
  while (!(pid = Number(children()))) await pause(1);
  process.kill(pid, 'SIGKILL');
  assert.equal((await end).signal, 'SIGKILL');
  for (const fn of [() => { for (;;); }, () => new Promise(() => setInterval(() => {}, 1000))]) {
    assert.deepEqual(await told(fn, { timeout: 30 }), ['ETIMEDOUT', null, 'SIGKILL', false]);
  }
  const limited = { limits: { NOFILE: { soft: 3, hard: 3 }, CORE: { soft: 0 } } };
  assert.equal((await failure(runInFork(() => fs.openSync('/dev/null'), limited))).code, 'EMFILE');
  assert.deepEqual(await told(() => { for (;;); }, { limits: { CPU: { soft: 1, hard: 1 }, CORE: { soft: 0 } } }), killed);
  const os = await import('node:os');
  const nice = Math.min(os.getPriority() + 3, 19);
  assert.equal(await runInFork(() => os.getPriority(), { nice }), nice);
  const settled = await failure(runInFork(() => new Promise(() => {})));
  assert.equal(settled.code, 'ERR_FORK_UNSETTLED');
  const stray = await failure(runInFork(async () => { void Promise.reject(new Error('stray')); await pause(1000); }));
  assert.equal(stray.message, 'stray');
  const uncaught = await failure(runInFork(async () => { setTimeout(() => { throw new Error('uncaught'); }, 1); await pause(1000); }));
  assert.equal(uncaught.message, 'uncaught');
  `);
});

test('an abort kills the child, or takes it out of the queue; then nothing is left', () => {
  holds(`
  const os = await import('node:os');
  const check = (error) => assert.deepEqual([error.name, error.code, error.cause], ['AbortError', 'ABORT_ERR', 'why']);
  let ran = 0;
  check(await failure(runInFork(() => 1, { signal: AbortSignal.abort('why') })));
  for (const wait of [0, 1, 5, 20]) {
    const controller = new AbortController();
    const run = failure(runInFork(() => { for (;;); }, { signal: controller.signal }));
    if (wait > 0) await pause(wait);
    controller.abort('why');
    check(await run);
    assert.equal(children(), '');
  }
  // All places are taken: the rest waits.
  const controller = new AbortController();
  const { signal } = controller;
  const most = os.availableParallelism();
  const runs = Array.from({ length: most + 3 }, () => failure(runInFork(() => { for (;;); }, { signal })));
  while (children().split(' ').length < most) await pause(1);
  await pause(20);
  assert.equal(children().split(' ').length, most);
  const waiting = new AbortController();
  const queued = failure(runInFork(() => 1, { signal: waiting.signal }));
  waiting.abort('why');
  check(await queued);
  const after = runInFork(() => 'after');
  controller.abort('why');
  for (const run of runs) check(await run);
  assert.equal(await after, 'after');
  const done = new AbortController();
  assert.equal(await runInFork(() => 1, { signal: done.signal }), 1);
  done.abort('why');
  `);
});

test('wrong arguments, Workers and copies', () => {
  holds(`
  const { Worker } = await import('node:worker_threads');
  const refused = async (args, code) => {
    const error = await failure(runInFork(...args));
    assert.equal(error.code, code, JSON.stringify(args));
    assert.ok(error instanceof (code === 'ERR_OUT_OF_RANGE' ? RangeError : TypeError));
  };
  const [type, value, range] = ['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE', 'ERR_OUT_OF_RANGE'];
  for (const fn of [undefined, null, 1, 'f', {}, [() => 1]]) await refused([fn], type);
  for (const options of [null, 1, 'x', []]) await refused([() => 1, options], type);
  for (const [options, code] of [[{ x: 1 }, value], [{ timeout: '1' }, type], [{ timeout: 0 }, range], [{ timeout: 1.5 }, range],
    [{ timeout: 2 ** 31 }, range], [{ nice: 20 }, range], [{ nice: -21 }, range], [{ nice: '1' }, type], [{ signal: {} }, type],
    [{ signal: null }, type], [{ limits: 1 }, type], [{ limits: { X: { soft: 1 } } }, value], [{ limits: { CPU: { soft: -1 } } }, range],
    [{ limits: { CPU: {} } }, value], [{ workers: 1 }, type]]) await refused([() => 1, options], code);

  const module = ${JSON.stringify(new URL('../lib/index.js', import.meta.url).href)};
  const worker = new Worker("import { parentPort } from 'node:worker_threads'; import('" + module + "').then(({ runInFork }) => runInFork(() => 1))"
    + ".catch((error) => parentPort.postMessage(error.code)); parentPort.once('message', () => {});", { eval: true });
  assert.equal(await new Promise((resolve) => worker.once('message', resolve)), 'ERR_WORKER_UNSUPPORTED_OPERATION');
  const beside = await failure(runInFork(() => 1));
  assert.deepEqual([beside.code, beside.syscall], ['ENOTSUP', 'fork']);
  assert.equal(await runInFork(() => 1, { workers: true }), 1);
  await worker.terminate();

  // A child of an async function makes its own child; a child of fork() has none of its parent's
  // runs.
  assert.deepEqual(await runInFork(async () => [process.ppid, await runInFork(async () => { await pause(1); return process.ppid === 0; })]), [process.pid, false]);
  const run = runInFork(() => { for (let end = Date.now() + 200; Date.now() < end; ); return 'mine'; });
  while (children() === '') await pause(1);
  const copy = daemonkit.fork();
  if (copy === 0) {
    const settled = await Promise.race([run.then(() => 1, () => 1), runInFork(() => 0)]);
    daemonkit._exit(settled + (descriptors() === before ? 0 : 2));
  }
  assert.equal((await daemonkit.waitpidAsync(copy)).exitCode, 0);
  assert.equal(await run, 'mine');
  // Hooks around the fork that throw: an error, and no child.
  for (const when of ['before', 'parent', 'child']) {
    const hook = daemonkit.atFork({ [when]() { throw new Error('of ' + when); } });
    assert.equal((await failure(runInFork(() => 1))).message, 'of ' + when);
    hook[Symbol.dispose]();
    assert.equal(children(), '');
  }
  `);
});

test('nothing of the parent acts in the child', (t) => {
  const file = join(scratch(t), 'acts');
  writeFileSync(file, '');
  holds(
    `
  const { createServer, connect } = await import('node:net');
  const file = process.argv.at(-1);
  fs.writeFileSync(file + '.watched', '');
  const act = (name) => () => fs.appendFileSync(file, name + ' ' + process.pid + '\\n');
  for (const name of ['exit', 'SIGUSR2', 'SIGTERM', 'warning']) process.on(name, act(name));
  const { emit } = process;
  process.emit = function (name, ...rest) { if (name === 'exit') act('emit')(); return emit.call(this, name, ...rest); };
  const emitter = process.emit;
  const interval = setInterval(act('interval'), 5);
  const { setTimeout: sleep } = await import('node:timers/promises');
  const sleeping = sleep(60).then(act('sleep'));
  const timeouts = [20, 40, 60, 80].map((ms) => setTimeout(act('timeout'), ms));
  AbortSignal.timeout(50).addEventListener('abort', act('abort'));
  const watcher = fs.watch(file + '.watched', act('watch'));
  fs.watchFile(file + '.watched', { interval: 10 }, act('watchFile'));
  const reader = fs.createReadStream('/dev/zero', { highWaterMark: 10, end: 5 }).on('close', act('read')).resume();
  const { port1, port2 } = new MessageChannel();
  port1.on('message', act('message'));
  let server, client, peer;
  await new Promise((resolve) => {
    server = createServer((socket) => { peer = socket.on('data', act('data')).on('close', act('close')); resolve(); });
    server.listen(0, () => { client = connect(server.address().port); });
  });
  server.on('connection', act('connection'));
  const busy = async () => {
    fs.writeFileSync(file + '.watched', 'x' + process.pid);
    process.kill(process.pid, 'SIGUSR2');
    process.kill(process.pid, 'SIGTERM');
    process.emit('exit');
    const errors = [];
    client.on('error', (error) => errors.push(error.code)).write('from the child');
    await pause(150);
    return [errors, await fs.promises.readFile('/proc/self/comm', 'utf8')];
  };
  // Work in the same turn of the event loop, and after it.
  const pending = () => { setImmediate(act('immediate')); port2.postMessage(1); setImmediate(act('immediate')); };
  for (const round of [1, 2, 3]) {
    setImmediate(pending);
    pending();
    const [errors] = await runInFork(busy);
    assert.deepEqual(errors, ['EPIPE']);
    client.write('from the parent');
    await runInFork(() => { process.kill(process.pid, 'SIGTERM'); process.emit('exit'); return 1; });
    assert.equal((await failure(runInFork(() => process.exit(1)))).exitCode, 1);
  }
  await pause(100);
  process.emit = emit;
  clearInterval(interval);
  fs.unwatchFile(file + '.watched');
  watcher.close();
  port1.close();
  client.destroy();
  server.close();
  await sleeping;
  `.replace(
      'const file =',
      "fs.writeFileSync(process.argv.at(-1) + '.watched', '');\n  const file =",
    ),
    [file],
  );
  const acts = readFileSync(file, 'utf8').trim().split('\n');
  assert.ok(acts.length > 20, acts.join());
  const pids = new Set(acts.map((line) => line.split(' ')[1]));
  assert.equal(pids.size, 1, acts.join());
  for (const name of ['interval', 'timeout', 'sleep', 'immediate', 'data', 'message', 'exit']) {
    assert.ok(
      acts.some((line) => line.startsWith(`${name} `)),
      `${name}: ${acts.join()}`,
    );
  }
});

test('standard output is whole, and what the parent has queued is written once', () => {
  const source = `
  const { runInFork } = daemonkit;
  process.stdout.write('p'.repeat(200_000));
  await runInFork(() => console.log('s'.repeat(150_000)));
  await runInFork(async () => { console.log('a'.repeat(150_000)); console.error('e'.repeat(1000)); });
  await runInFork(() => { process.stdout.write('x'.repeat(70_000)); process.exit(0); }).catch(() => {});`;
  const quoted = (words: string[]) => words.map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  // A reader that is late: pipes take 64 KiB.
  const command = `${quoted(scriptCommand(source)).join(' ')} | (sleep 0.3; cat)`;
  const late = spawnSync('sh', ['-c', command], { env: cleanEnvironment(), timeout: 60_000 });
  const count = (letter: string) => late.stdout.toString().split(letter).length - 1;
  assert.equal(late.stderr.toString(), `${'e'.repeat(1000)}\n`);
  assert.deepEqual(['p', 's', 'a', 'x'].map(count), [200_000, 150_000, 150_000, 70_000]);
  const untouched = runScript(`await daemonkit.runInFork(() => console.log('s'.repeat(150_000)));`);
  assert.deepEqual([untouched.stdout.length, untouched.stderr, untouched.status], [150_001, '', 0]);
});

test('a server goes on under load: each request is answered once, by the parent', async (t) => {
  const file = join(scratch(t), 'requests');
  writeFileSync(file, '');
  const group = new Grouped(
    t,
    `const { createServer } = await import('node:http');
    const { runInFork } = daemonkit;
    const file = process.argv.at(-1);
    const seen = [];
    const server = createServer((request, response) => {
      fs.appendFileSync(file, process.pid + ' ' + request.url + '\\n');
      seen.push(request.url);
      const body = [];
      request.on('data', (chunk) => body.push(chunk)).on('end', () => {
        setTimeout(() => fs.readFile('/proc/self/comm', () => response.end(request.url + Buffer.concat(body).length)), 1);
      });
    }).listen(0, async () => {
      say('port', server.address().port);
      const runs = 200;
      for (let i = 0; i < runs; i++) {
        const fn = i % 2 ? () => seen.length : async () => { await pause(3); return seen.length; };
        await runInFork(fn).catch(({ code }) => say('failed', code));
      }
      say('done');
    });
    process.on('SIGTERM', () => server.close());`,
    { args: [file] },
  );
  const [port] = await group.hears('port');
  const { Agent, request } = await import('node:http');
  const agent = new Agent({ keepAlive: true });
  let sent = 0;
  const ask = () =>
    new Promise<void>((resolve, reject) => {
      const path = `/${sent++}/`;
      const body = 'x'.repeat((sent * 7919) % 100_000);
      const asked = request(
        { port: Number(port), path, method: 'POST', agent },
        async (response) => {
          let text = '';
          for await (const chunk of response) text += chunk;
          assert.equal(text, path + body.length);
          resolve();
        },
      );
      asked.on('error', reject).end(body);
    });
  let done = false;
  const client = async () => {
    while (!done) await ask();
  };
  const clients = Promise.all([client(), client(), client()]);
  await Promise.race([group.hears('done'), clients]);
  done = true;
  await clients;
  agent.destroy();
  process.kill(group.pid, 'SIGTERM');
  await group.endsWell();
  assert.deepEqual(group.words('failed'), []);
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  assert.equal(lines.length, sent);
  assert.deepEqual(
    new Set(lines),
    new Set(Array.from({ length: sent }, (_, i) => `${group.pid} /${i}/`)),
  );
});

test('nothing is left of a fork that fails, and no child of a parent that is killed', async (t) => {
  holds(`
  const codes = new Set();
  for (let room = 0; codes.size < 2; room++) {
    const { soft } = daemonkit.getrlimit('NOFILE');
    daemonkit.setrlimit('NOFILE', { soft: before - 1 + room });
    const code = await runInFork(() => 'made').catch((error) => error.code);
    daemonkit.setrlimit('NOFILE', { soft });
    codes.add(code);
    assert.deepEqual([descriptors(), children()], [before, '']);
  }
  assert.deepEqual([...codes], ['EMFILE', 'made']);
  `);
  const group = new Grouped(
    t,
    `const spin = () => { say('child', process.pid); for (;;); };
    daemonkit.runInFork(spin);
    daemonkit.runInFork(async () => { say('child', process.pid); await pause(60_000); });`,
  );
  await group.hears('child', 2);
  process.kill(group.pid, 'SIGKILL');
  await group.ended;
  await until('the children are gone', () => group.others().every((pid) => hasEnded(pid)), 30_000);
});
