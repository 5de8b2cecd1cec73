// runInFork(): what keeps its child alive, and what a fork of the child may do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holds, prelude } from './tools/compute.js';
import { runScript } from './tools/script.js';

test('a promise that cannot settle is told, whatever of the parent keeps an event loop alive', () => {
  holds(`
  const never = () => new Promise(() => {});
  const of = {
    timer: () => { const one = setTimeout(() => {}, 3600e3); return () => clearTimeout(one); },
    interval: () => { const one = setInterval(() => {}, 20); return () => clearInterval(one); },
    port: () => { const { port1 } = new MessageChannel(); port1.on('message', () => {}); return () => port1.close(); },
    channel: () => { const one = new BroadcastChannel('daemonkit'); one.onmessage = () => {}; return () => one.close(); },
  };
  for (const [name, begin] of Object.entries(of)) {
    const end = begin();
    assert.equal((await failure(runInFork(never, { timeout: 20_000 }))).code, 'ERR_FORK_UNSETTLED', name);
    assert.equal((await failure(runInFork(async () => { await pause(150); await never(); }, { timeout: 20_000 }))).code, 'ERR_FORK_UNSETTLED', name);
    end();
  }
  `);
});

test('beside timers of the parent, all that the child itself waits for comes', () => {
  holds(`
  const crypto = await import('node:crypto');
  const { spawn } = await import('node:child_process');
  const { once } = await import('node:events');
  const { Worker } = await import('node:worker_threads');
  const http = await import('node:http');
  let parents;
  const again = setTimeout(() => { parents?.(); }, 1000);
  const long = setTimeout(() => {}, 3600e3);
  const waits = {
    refreshed: () => new Promise((resolve) => { parents = () => resolve(1); again.refresh(); }),
    early: () => { const own = pause(300); clearTimeout(long); return own.then(() => 1); },
    timer: () => pause(300).then(() => 1),
    pool: () => new Promise((resolve) => crypto.pbkdf2('a', 'b', 300_000, 64, 'sha512', () => resolve(1))),
    program: async () => { await once(spawn('sleep', ['0.3']), 'exit'); return 1; },
    thread: async () => { const one = new Worker('setTimeout(() => {}, 300)', { eval: true }); await once(one, 'exit'); return 1; },
    server: async () => {
      const server = http.createServer((_, response) => setTimeout(() => response.end('1'), 300)).listen(0);
      await once(server, 'listening');
      const text = await (await fetch('http://127.0.0.1:' + server.address().port)).text();
      return Number(text);
    },
  };
  for (const [name, wait] of Object.entries(waits)) assert.equal(await runInFork(wait, { timeout: 60_000 }), 1, name);
  clearTimeout(again);
  clearTimeout(long);
  `);
});

test('a fork that the function makes has no part in its result', () => {
  holds(`
  const { fork, waitpid } = daemonkit;
  const big = (n) => Buffer.alloc(1_000_000 + n, n);
  // The copy's result comes first, or last, is shorter or longer.
  assert.equal(await runInFork(() => { const pid = fork(); if (pid !== 0) waitpid(pid); return pid === 0 ? 'a longer copy' : 'child'; }), 'child');
  assert.equal(await runInFork(async () => { await pause(1); const pid = fork(); if (pid !== 0) waitpid(pid); return pid === 0 ? 1 : 'child'; }), 'child');
  const bytes = await runInFork(() => {
    const pid = fork();
    if (pid !== 0) return { pid, bytes: big(1) };
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    return big(2);
  });
  while (fs.existsSync('/proc/' + bytes.pid) && !/State:\\tZ/.test(fs.readFileSync('/proc/' + bytes.pid + '/status', 'utf8'))) await pause(5);
  assert.ok(bytes.bytes.equals(big(1)));
  const codeOf = (copy) => runInFork(() => { const pid = fork(); return pid === 0 ? copy() : waitpid(pid).exitCode; });
  assert.deepEqual([await codeOf(() => 7), await codeOf(() => process.exit(9))], [0, 9]);
  // The child of a run of the child's own has a result, also of an error before its function runs.
  assert.equal(await runInFork(() => runInFork(() => 3)), 3);
  const { atFork } = daemonkit;
  const error = await failure(runInFork(() => {
    atFork({ child() { throw new Error('of the hook'); } });
    return runInFork(() => 3);
  }));
  assert.match(error.message, /of the hook/);
  `);
  const { status, stdout, stderr } = runScript(`${prelude}
  const { fork, waitpid } = daemonkit;
  console.log(await runInFork(() => { const pid = fork(); if (pid === 0) throw new Error('of the copy'); return waitpid(pid).exitCode; }));`);
  assert.deepEqual([status, stdout], [0, '1\n']);
  assert.match(stderr, /^Error: of the copy\n/);
});

test('the limit FSIZE is also that of the result, and its error is told', () => {
  holds(`
  const limits = { FSIZE: { soft: 300_000 } };
  for (const kind of [() => Buffer.alloc(2e6), () => 'x'.repeat(2e6)]) {
    const { code, syscall } = await failure(runInFork(kind, { limits }));
    assert.deepEqual([code, syscall], ['EFBIG', 'write']);
  }
  assert.equal(await runInFork(() => 'short', { limits }), 'short');
  `);
});

test('standard output refuses in a child what it refuses in the parent', () => {
  const { status, stdout, stderr } = runScript(`${prelude}
  process.stdout.write('');
  for (const wrong of [5, {}, undefined, true]) {
    assert.equal((await failure(runInFork(() => process.stdout.write(wrong)))).code, 'ERR_INVALID_ARG_TYPE');
  }
  assert.equal((await failure(runInFork(() => process.stdout.write(null)))).code, 'ERR_STREAM_NULL_VALUES');
  assert.equal((await failure(runInFork(() => process.stdout.write('a', 'nope')))).code, 'ERR_UNKNOWN_ENCODING');
  await runInFork(() => process.stdout.write(new Uint16Array([0x6161, 0x0a62])));`);
  assert.deepEqual([status, stdout, stderr], [0, 'aab\n', '']);
});

test('any number of runs and waits may have one signal: no warning, no listener left', () => {
  holds(`
  const { getEventListeners } = await import('node:events');
  const { waitpidAsync, fork } = daemonkit;
  process.on('warning', (warning) => assert.fail(warning.message));
  const controller = new AbortController();
  const { signal } = controller;
  assert.deepEqual(await Promise.all(Array.from({ length: 15 }, (_, i) => runInFork(() => i, { signal }))), Array.from({ length: 15 }, (_, i) => i));
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  const pids = Array.from({ length: 12 }, () => { const pid = fork(); if (pid === 0) { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); } return pid; });
  const ends = Promise.all([...pids.map((pid) => failure(waitpidAsync(pid, { signal }))), failure(runInFork(() => { for (;;); }, { signal }))]);
  await pause(20);
  controller.abort('enough');
  for (const { code, cause } of await ends) assert.deepEqual([code, cause], ['ABORT_ERR', 'enough']);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  for (const pid of pids) { process.kill(pid, 'SIGKILL'); await waitpidAsync(pid); }
  await pause(1);
  `);
});

test('a child does not compile what every child runs: the parent has rehearsed it, and nothing there has changed', () => {
  holds(`
  const { getHeapCodeStatistics } = await import('node:v8');
  const size = () => getHeapCodeStatistics().bytecode_and_metadata_size;
  const state = () => [process.eventNames().map((name) => [name, process.listenerCount(name)]), Object.keys(process), process.reallyExit];
  process.on('exit', () => {});
  process.on('SIGTERM', () => {});
  let fired = 0;
  setImmediate(() => fired++);
  const was = state();
  const compiled = (await runInFork(size)) - size();
  assert.deepEqual(state(), was);
  assert.equal(fired, 1);
  // The function itself, and what is not called beforehand. Without the rehearsal it was 6,000 and more.
  assert.ok(compiled < 3000, String(compiled));
  `);
});

/** With `minuteLater()`, after which the parent rehearses again. */
const aging = `data:text/javascript,${encodeURIComponent(`
  const now = performance.now.bind(performance);
  let ahead = 0;
  performance.now = () => now() + ahead;
  globalThis.minuteLater = () => { ahead += 61_000; };
`)}`;

const holdsWhileAging = (source: string) => holds(source, [], ['--import', aging]);

test("a rehearsal leaves the parent's fetch() alone: one that waits is answered, no connection is closed", () => {
  holdsWhileAging(`
  const http = await import('node:http');
  let closed = 0;
  const answer = (request, response) => setTimeout(() => response.end('1'), request.url === '/slow' ? 500 : 0);
  const server = http.createServer(answer).listen(0);
  server.on('connection', (socket) => socket.on('close', () => closed++));
  await new Promise((resolve) => server.on('listening', resolve));
  const get = async (path) => (await fetch('http://127.0.0.1:' + server.address().port + path)).text();
  await Promise.all([get('/'), get('/')]);
  const slow = get('/slow');
  await pause(50);
  minuteLater();
  assert.equal(await runInFork(() => 7), 7);
  assert.equal(await Promise.race([slow, pause(20_000)]), '1');
  assert.equal(closed, 0);
  process.exit();
  `);
});

test('a rehearsal in a fork that the function has made does not end it', () => {
  holdsWhileAging(`
  const { fork, waitpid, _exit } = daemonkit;
  const forks = async () => {
    const pid = fork();
    if (pid !== 0) return waitpid(pid).exitCode;
    minuteLater();
    _exit(40 + (await runInFork(() => 2)));
  };
  assert.equal(await runInFork(forks, { timeout: 30_000 }), 42);
  `);
});

test("a rehearsal is silent: the formatter of stacks and the limit on listeners are the program's own", () => {
  holdsWhileAging(`
  const { EventEmitter } = await import('node:events');
  EventEmitter.defaultMaxListeners = 1;
  let formatted = 0;
  Error.prepareStackTrace = (error) => { formatted++; return String(error); };
  minuteLater();
  assert.equal(await runInFork(() => 7), 7);
  assert.equal(formatted, 0);
  `);
});
