import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { type SignalEvent, SignalFlag } from 'daemonkit';
import { native } from '../lib/addon/native.js';
import { needsRoot } from './tools/needs.js';
import { entry, runScript } from './tools/script.js';
import { disposition, subject } from './tools/subject.js';

const hit = (signal: string | number = 'SIGALRM') => process.kill(process.pid, signal);

/** The first events of an iteration, as many as asked for. */
async function take(flag: SignalFlag, many: number): Promise<SignalEvent[]> {
  const events: SignalEvent[] = [];
  for await (const event of flag) {
    events.push(event);
    if (events.length === many) break;
  }
  return events;
}

test('a busy loop ends by kill(2), also once it is optimized', async () => {
  await using busy = subject(`
    const flag = new SignalFlag('SIGTERM');
    function work() { let n = 0; while (!flag.raised) n++; return n; }
    process.kill(process.pid, 'SIGTERM');
    for (let i = 0; i < 200_000; i++) work();
    flag.clear();
    say('busy', flag.raised);
    let turns = 0;
    setImmediate(() => turns++);
    work();
    say('raised', flag.raised, 'after', turns);`);
  assert.equal(await busy.line(), 'busy false');
  await sleep(300);
  process.kill(busy.pid, 'SIGTERM');
  assert.equal(await busy.line(), 'raised true after 0');
  assert.equal(await busy.end(), 0);
});

test('dispose gives the signal its old action back', async () => {
  for (const [name, number] of [
    ['SIGTERM', 15],
    ['SIGINT', 2],
    ['SIGALRM', 14],
  ] as const) {
    await using process_ = subject(`
      setInterval(() => {}, 1000);
      const flag = new SignalFlag('${name}');
      process.kill(process.pid, '${name}');
      say(flag.raised);
      flag[Symbol.dispose]();
      say('disposed');`);
    assert.equal(await process_.line(), 'true');
    assert.equal(await process_.line(), 'disposed');
    // Node's own handler for the first two, which restores the terminal and dies by the signal.
    const own = number === 14 ? 'default' : 'caught';
    assert.equal(disposition(number, process_.pid), own);
    process.kill(process_.pid, name);
    assert.equal(await process_.end(), name);
  }
});

test('SIGPIPE, which Node ignores, is caught and then ignored again', () => {
  assert.equal(disposition(13), 'ignored');
  const flag = new SignalFlag('SIGPIPE');
  assert.equal(disposition(13), 'caught');
  flag[Symbol.dispose]();
  assert.equal(disposition(13), 'ignored');
});

test('SIGPIPE: the recipes of docs/signals.md for a reader that has gone', () => {
  const through = (source: string) => {
    const via = ['sh', '-c', '"$@" | head -n 1; :', 'sh'];
    return runScript(source, { via });
  };
  const filter = through(`
    process.on('exit', (code) => fs.writeSync(2, code + '.'));
    process.stdout.on('error', ({ code }) => process.exit(code === 'EPIPE' ? 141 : 1));
    const write = () => process.stdout.write('line\\n'.repeat(9999), () => setImmediate(write));
    write();`);
  assert.deepEqual([filter.stdout, filter.stderr], ['line\n', '141.']);
  const loop = through(`
    const noReader = new daemonkit.SignalFlag('SIGPIPE');
    while (!noReader.raised) {
      try { fs.writeSync(1, 'line\\n'); }
      catch ({ code }) { if (code !== 'EAGAIN') fs.writeSync(2, code + ' ' + noReader.raised); }
    }
    const { pid, count } = await noReader.wait();
    fs.writeSync(2, ' ' + (pid === process.pid) + ' ' + count);`);
  assert.deepEqual([loop.stdout, loop.stderr], ['line\n', 'EPIPE true true 1']);
});

test('wait() resolves at once when raised, else by the event loop, and all that wait', async () => {
  using flag = new SignalFlag(['SIGALRM', 'SIGWINCH']);
  hit();
  assert.equal((await flag.wait()).signal, 'SIGALRM');
  assert.equal(flag.raised, true, 'waiting does not lower the flag');
  flag.clear();
  assert.equal(flag.raised, false);
  const both = [flag.wait(), flag.wait().finally(() => flag.clear()), flag.wait()];
  setTimeout(hit, 10, 'SIGWINCH');
  for (const event of await Promise.all(both)) assert.equal(event.signal, 'SIGWINCH');
});

test('wait() is ended by an AbortSignal and by dispose', async () => {
  const flag = new SignalFlag('SIGALRM');
  const reason = new Error('mine');
  const aborted = { name: 'AbortError', code: 'ABORT_ERR', cause: reason };
  await assert.rejects(flag.wait({ signal: AbortSignal.abort(reason) }), aborted);
  const controller = new AbortController();
  const waiting = flag.wait({ signal: controller.signal });
  setTimeout(() => controller.abort(reason), 5);
  await assert.rejects(waiting, aborted);
  const left = flag.wait();
  setTimeout(() => flag[Symbol.dispose](), 5);
  await assert.rejects(left, { name: 'AbortError', code: 'ABORT_ERR' });
  await assert.rejects(flag.wait(), { code: 'ERR_INVALID_STATE' });
});

test('an event tells the sender, its real user id, the time and the count', needsRoot, async () => {
  using flag = new SignalFlag(['SIGALRM', 'SIGRTMIN+3', 'SIGRTMAX']);
  const [first, earliest] = [native.signalRtMin(), Date.now()];
  const third = first + 3;
  // Only the real user id of root's child is another one: it may signal us still.
  const code = `import os; os.setresuid(1234, 0, 0)
for signal in (14, ${third}, ${third}, 64): os.kill(${process.pid}, signal)`;
  const sender = spawnSync('python3', ['-c', code]);
  assert.equal(sender.status, 0, String(sender.stderr));
  const events = await take(flag, 4);
  // The kernel may have chosen several threads at once, in whatever order they come to run.
  events.sort((a, b) => a.number - b.number || a.count - b.count);
  assert.deepEqual(
    events.map(({ signal, number, count }) => `${signal} ${number} ${count}`),
    [
      'SIGALRM 14 1',
      `SIGRTMIN+3 ${third} 1`,
      `SIGRTMIN+3 ${third} 2`,
      `SIGRTMIN+${64 - first} 64 1`,
    ],
  );
  for (const event of events) {
    assert.deepEqual([event.pid, event.uid], [sender.pid, 1234]);
    assert.ok(event.time >= earliest && event.time <= Date.now() + 1);
  }
});

test('events that no loop has taken are kept, until clear()', async () => {
  using flag = new SignalFlag('SIGALRM');
  hit();
  hit();
  assert.deepEqual(
    (await take(flag, 2)).map(({ count, pid }) => [count, pid]),
    [
      [1, process.pid],
      [2, process.pid],
    ],
  );
  hit();
  flag.clear();
  setTimeout(hit, 10);
  assert.equal((await take(flag, 1))[0]?.count, 4);
});

test('clear() forgets what was only counted, too', async () => {
  using flag = new SignalFlag('SIGALRM');
  // More than a pipe holds: the rest is dropped, and only counted.
  const storm = 5000;
  for (let i = 0; i < storm; i++) hit();
  flag.clear();
  setTimeout(hit, 10);
  assert.equal((await take(flag, 1))[0]?.count, storm + 1);
});

test('an iteration ends with dispose, and clear() within it loses nothing', async () => {
  const flag = new SignalFlag('SIGALRM');
  const counts: number[] = [];
  for (let i = 0; i < 5; i++) hit();
  for await (const { count } of flag) {
    counts.push(count);
    flag.clear();
    if (count === 5) setTimeout(() => flag[Symbol.dispose](), 5);
  }
  assert.deepEqual(counts, [1, 2, 3, 4, 5]);
});

test('signal aborts when raised, and is replaced after clear()', async () => {
  using flag = new SignalFlag('SIGALRM');
  const { signal } = flag;
  assert.equal(flag.signal, signal);
  assert.equal(signal.aborted, false);
  setTimeout(hit, 5);
  await assert.rejects(sleep(5000, undefined, { signal }), { name: 'AbortError' });
  assert.match(String(signal.reason), /AbortError: SIGALRM/);
  assert.equal(flag.signal, signal);
  flag.clear();
  assert.equal(flag.signal.aborted, false);
  hit();
  assert.equal(flag.signal.aborted, true, 'without a turn of the loop when asked');
});

test('fd is readable from the first signal to clear()', () => {
  using flag = new SignalFlag('SIGALRM');
  const readable = () => {
    try {
      return readSync(flag.fd, Buffer.alloc(24)) === 24;
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
      return false;
    }
  };
  assert.equal(readable(), false);
  hit();
  hit();
  assert.equal(readable(), true);
  flag.clear();
  assert.equal(readable(), false);
});

test('a Worker sees the signal in the view, and cannot make a flag', async () => {
  using flag = new SignalFlag(['SIGALRM', 'SIGWINCH']);
  const code = `
    const { parentPort, workerData } = require('node:worker_threads');
    import(${JSON.stringify(entry)}).then(({ SignalFlag }) => {
      try { new SignalFlag('SIGALRM'); } catch (error) { parentPort.postMessage(error.code); }
      while (Atomics.load(workerData, 0) === 0);
      parentPort.postMessage([...workerData]);
    });`;
  const worker = new Worker(code, { eval: true, workerData: flag.view });
  const messages: unknown[] = [];
  worker.on('message', (message) => messages.push(message) === 1 && hit('SIGWINCH'));
  await new Promise((resolve) => worker.on('exit', resolve));
  assert.deepEqual(messages, ['ERR_WORKER_UNSUPPORTED_OPERATION', [1, 0, 1]]);
});

test('a flag keeps the process alive only while somebody waits, unless told', () => {
  const flag = "const flag = new daemonkit.SignalFlag('SIGALRM');";
  const late = "setTimeout(() => process.kill(process.pid, 'SIGALRM'), 100).unref();";
  const run = (source: string) => {
    const { status, stdout, stderr } = runScript(flag + late + source);
    assert.equal(stderr, '');
    return [status, stdout];
  };
  const told = 'console.log(event.signal)';
  assert.deepEqual(run(''), [0, '']);
  assert.deepEqual(run('flag.signal; flag.view; flag.fd;'), [0, '']);
  assert.deepEqual(run(`flag.wait().then((event) => ${told});`), [0, 'SIGALRM\n']);
  assert.deepEqual(run(`flag.wait().then((event) => ${told}); flag.unref();`), [0, '']);
  const loop = `(async () => { for await (const event of flag) { ${told}; break; } })();`;
  assert.deepEqual(run(loop), [0, 'SIGALRM\n']);
  const ref = "flag.ref().signal.onabort = () => { console.log('aborted'); flag.unref(); };";
  assert.deepEqual(run(ref), [0, 'aborted\n']);
});
