// A SignalFlag among others that handle the same signal: process.on(), child_process, native
// handlers, other flags; and under more signals than can be handled.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SignalFlag } from 'daemonkit';
import { native } from '../lib/addon/native.js';
import { needs } from './tools/needs.js';
import { residentKiB } from './tools/proc.js';
import { runScript } from './tools/script.js';
import { disposition, subject } from './tools/subject.js';

const ALRM = 14;
const folder = mkdtempSync(join(tmpdir(), 'daemonkit-signal-'));
after(() => rmSync(folder, { recursive: true }));

/** Sends SIGALRM and returns which of the two kinds of handler it reached. */
async function reached(flags: SignalFlag[], listener: { calls: number }) {
  for (const flag of flags) flag.clear();
  const before = listener.calls;
  process.kill(process.pid, 'SIGALRM');
  const raised = flags.map((flag) => flag.raised);
  // Two turns of the loop: a poll lies between them, whatever phase this is. A timer may be due.
  for (let turn = 0; turn < 2; turn++) await immediate();
  return { raised, heard: listener.calls - before };
}

test('process.on() and a flag, begun and ended in any order', async () => {
  const listener = { calls: 0 };
  const listen = () => listener.calls++;
  const both = { raised: [true], heard: 1 };
  for (const [begin, end] of ['fp fp', 'fp pf', 'pf fp', 'pf pf'].map((o) => o.split(' '))) {
    let flag: SignalFlag | undefined;
    for (const step of begin as string) {
      if (step === 'f') flag = new SignalFlag('SIGALRM');
      else process.on('SIGALRM', listen);
    }
    const made = flag as SignalFlag;
    assert.deepEqual(await reached([made], listener), both, begin);
    if (end === 'fp') {
      made[Symbol.dispose]();
      assert.deepEqual(await reached([], listener), { raised: [], heard: 1 }, `${begin} ${end}`);
      process.off('SIGALRM', listen);
    } else {
      process.off('SIGALRM', listen);
      assert.deepEqual(await reached([made], listener), { raised: [true], heard: 0 });
      process.on('SIGALRM', listen);
      assert.deepEqual(await reached([made], listener), both);
      process.off('SIGALRM', listen);
      made[Symbol.dispose]();
    }
    assert.equal(disposition(ALRM), 'default', `${begin} ${end}`);
  }
});

test('process.once() and removeAllListeners() leave the flag its signal', async () => {
  using flag = new SignalFlag('SIGALRM');
  const listener = { calls: 0 };
  process.once('SIGALRM', () => listener.calls++);
  assert.deepEqual(await reached([flag], listener), { raised: [true], heard: 1 });
  assert.deepEqual(await reached([flag], listener), { raised: [true], heard: 0 });
  process.on('SIGALRM', () => listener.calls++);
  process.removeAllListeners('SIGALRM');
  assert.deepEqual(await reached([flag], listener), { raised: [true], heard: 0 });
});

test('several flags of one signal, disposed in any order', async () => {
  const listener = { calls: 0 };
  for (const order of [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ]) {
    const flags = [0, 1, 2].map(() => new SignalFlag(['SIGALRM', 'SIGWINCH']));
    for (const gone of order) {
      const left = flags.filter((flag) => flag.view[1] !== -1);
      assert.deepEqual(
        (await reached(left, listener)).raised,
        left.map(() => true),
      );
      const flag = flags[gone] as SignalFlag;
      flag[Symbol.dispose]();
      flag.view[1] = -1;
    }
    assert.equal(disposition(ALRM), 'default');
    assert.deepEqual(
      flags.map((flag) => flag.view[1]),
      [-1, -1, -1],
    );
  }
});

test('SIGCHLD reaches the flag and child_process, before and after it', async () => {
  const runs = async () => once(spawn('true', { stdio: 'ignore' }), 'exit');
  const first = spawn('sleep', ['0.05'], { stdio: 'ignore' });
  const flag = new SignalFlag('SIGCHLD');
  assert.deepEqual(await once(first, 'exit'), [0, null]);
  assert.equal((await flag.wait()).pid, first.pid);
  flag.clear();
  assert.deepEqual(await runs(), [0, null]);
  assert.equal(flag.raised, true, 'also when libuv began and ended its own watching meanwhile');
  const last = spawn('sleep', ['0.05'], { stdio: 'ignore' });
  flag[Symbol.dispose]();
  assert.deepEqual(await once(last, 'exit'), [0, null]);
  assert.deepEqual(await runs(), [0, null]);
});

function build(name: string, ...flags: string[]): string {
  const source = fileURLToPath(new URL('../../test/tools/foreign-handler.c', import.meta.url));
  const file = join(folder, name);
  execFileSync('cc', ['-shared', '-fPIC', '-Wall', '-Werror', ...flags, '-o', file, source]);
  return JSON.stringify(file);
}

test(
  'a native handler is chained when below and kept when on top; errno survives',
  needs('cc'),
  () => {
    const foreign = build('foreign.node');
    // More than the pipe holds, so that its write(2) fails within the handler.
    const raise = build('raise.node', '-DRAISE=9000');
    const load = (file: string) => `process.dlopen({ exports: {} }, ${file});`;
    const run = (source: string) => {
      const { status, stdout, stderr } = runScript(`
      const hit = () => process.kill(process.pid, 'SIGALRM');
      const flag = () => new daemonkit.SignalFlag('SIGALRM');
      const say = (...words) => fs.writeSync(1, words.join(' ') + '\\n');
      ${source}`);
      assert.deepEqual([status, stderr], [0, '']);
      return stdout.trim().split('\n');
    };
    assert.deepEqual(run(`const f = flag(); ${load(raise)} say(f.raised, f.view[1]);`), [
      'errno 77',
      'true 9000',
    ]);
    assert.deepEqual(
      run(`${load(foreign)} const f = flag(); hit(); say(f.raised); f[Symbol.dispose](); hit();`),
      ['foreign 1', 'true', 'foreign 1'],
    );
    // Its handler sets errno too.
    assert.equal(run(`${load(foreign)} const f = flag(); ${load(raise)}`).at(-1), 'errno 77');
    assert.deepEqual(
      run(`const f = flag(); ${load(foreign)} hit(); f[Symbol.dispose](); hit(); say(f.raised);`),
      ['foreign 1', 'foreign 1', 'false'],
    );
  },
);

/** Sends in Python, where kill(2) in a loop is fast. */
function send(code: string): void {
  const libc = 'import ctypes, os; libc = ctypes.CDLL(None)\n';
  const sender = spawnSync('python3', ['-c', libc + code], { timeout: 60_000 });
  assert.equal(sender.status, 0, String(sender.stderr));
}

test('a million signals with a blocked event loop: no flag lost, no memory, no standstill', async () => {
  // musl keeps one signal more for itself than glibc.
  const queues = native.signalRtMin() + 1;
  await using stormed = subject(`
    const flag = new SignalFlag(['SIGALRM', 'SIGRTMIN+1']);
    const stop = new SignalFlag('SIGTERM');
    const hup = new Promise((resolve) => process.on('SIGHUP', resolve)).then(() => say('HUP'));
    flag.wait().then((event) => say('waited', event.number));
    say('ready');
    while (!stop.raised);
    // Other threads may still be about to run their handlers.
    for (const end = Date.now() + 20_000; flag.view[2] < 10_000 && Date.now() < end; );
    const totals = Array.from(flag.view.subarray(1));
    say(flag.raised, ...totals);
    setTimeout(async () => {
      const last = [0, 0];
      const seen = new Set();
      for await (const { number, count } of flag) {
        const i = number === 14 ? 0 : 1;
        last[i] = Math.max(last[i], count);
        if (seen.has(number + ' ' + count)) throw new Error(count + ' came twice');
        seen.add(number + ' ' + count);
        if (last.join() === totals.join()) break;
      }
      await hup;
      say('last', seen.size);
      process.exit(0);
    }, 10);`);
  assert.equal(await stormed.line(), 'ready');
  await sleep(300);
  const before = residentKiB(stormed.pid);
  send(`for i in range(1000000): os.kill(${stormed.pid}, 14)`);
  // These queue, so each is a delivery: more than the pipe and the queue hold.
  send(`for i in range(10000):
  while libc.sigqueue(${stormed.pid}, ${queues}, ctypes.c_void_p(0)) != 0: os.sched_yield()`);
  const grown = residentKiB(stormed.pid) - before;
  assert.ok(grown < 2048, `${grown} KiB more`);
  process.kill(stormed.pid, 'SIGHUP');
  process.kill(stormed.pid, 'SIGTERM');
  const [raised, alarms, queued] = (await stormed.line()).split(' ');
  assert.deepEqual([raised, queued], ['true', '10000']);
  assert.ok(Number(alarms) > 0 && Number(alarms) <= 1_000_000, alarms);
  // The order of these two is the loop's.
  const lines = [await stormed.line(), await stormed.line()].sort();
  assert.match(
    lines.join(),
    new RegExp(`^HUP,waited (14|${queues})$`),
    'process.on() of others has lost nothing',
  );
  const [last, events] = (await stormed.line()).split(' ');
  assert.equal(last, 'last', 'the last event has the last count');
  assert.ok(Number(events) > 1000 && Number(events) < 10_000, `${events} events`);
  assert.equal(await stormed.end(), 0);
});

test('flags come and go while every thread is being hit', async () => {
  await using busy = subject(`
    process.on('SIGALRM', () => {});
    const stop = new SignalFlag('SIGTERM');
    say('ready');
    let made = 0, raised = 0;
    while (!stop.raised) {
      const flags = [new SignalFlag('SIGALRM'), new SignalFlag(['SIGALRM', 'SIGWINCH'])];
      for (let i = 0; i < 1000 && !flags[1].raised; i++);
      flags[made % 2][Symbol.dispose]();
      flags[1 - made % 2][Symbol.dispose]();
      made++;
      raised += flags[1].raised ? 1 : 0;
    }
    say(made > 100, raised > 0);
    process.exit(0);`);
  assert.equal(await busy.line(), 'ready');
  // To each thread by itself: the handlers run on all of them at once.
  send(`threads = [int(name) for name in os.listdir('/proc/${busy.pid}/task')]
for i in range(200000): libc.tgkill(${busy.pid}, threads[i % len(threads)], ${ALRM})`);
  process.kill(busy.pid, 'SIGTERM');
  assert.equal(await busy.line(), 'true true');
  assert.equal(await busy.end(), 0);
});
