// A SignalFlag among others that handle the same signal: process.on(), child_process, native
// handlers, other flags; and under more signals than anybody can take.
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
import { runScript } from './helpers/script.js';
import { disposition, residentSize, subject } from './helpers/subject.js';

const USR2 = 12;
const folder = mkdtempSync(join(tmpdir(), 'daemonkit-signal-'));
after(() => rmSync(folder, { recursive: true }));

/** Sends SIGUSR2 and tells which of the two kinds of handler it reached. */
async function reached(flags: SignalFlag[], listener: { calls: number }) {
  for (const flag of flags) flag.clear();
  const before = listener.calls;
  process.kill(process.pid, 'SIGUSR2');
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
      if (step === 'f') flag = new SignalFlag('SIGUSR2');
      else process.on('SIGUSR2', listen);
    }
    const made = flag as SignalFlag;
    assert.deepEqual(await reached([made], listener), both, begin);
    if (end === 'fp') {
      made[Symbol.dispose]();
      assert.deepEqual(await reached([], listener), { raised: [], heard: 1 }, `${begin} ${end}`);
      process.off('SIGUSR2', listen);
    } else {
      process.off('SIGUSR2', listen);
      assert.deepEqual(await reached([made], listener), { raised: [true], heard: 0 });
      process.on('SIGUSR2', listen);
      assert.deepEqual(await reached([made], listener), both);
      process.off('SIGUSR2', listen);
      made[Symbol.dispose]();
    }
    assert.equal(disposition(USR2), 'default', `${begin} ${end}`);
  }
});

test('process.once() and removeAllListeners() leave the flag its signal', async () => {
  using flag = new SignalFlag('SIGUSR2');
  const listener = { calls: 0 };
  process.once('SIGUSR2', () => listener.calls++);
  assert.deepEqual(await reached([flag], listener), { raised: [true], heard: 1 });
  assert.deepEqual(await reached([flag], listener), { raised: [true], heard: 0 });
  process.on('SIGUSR2', () => listener.calls++);
  process.removeAllListeners('SIGUSR2');
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
    const flags = [0, 1, 2].map(() => new SignalFlag(['SIGUSR2', 'SIGWINCH']));
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
    assert.equal(disposition(USR2), 'default');
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

test('a native handler is chained when below and kept when on top; errno survives', () => {
  const foreign = build('foreign.node');
  // More than the pipe holds, so that its write(2) fails within the handler.
  const raise = build('raise.node', '-DRAISE=9000');
  const load = (file: string) => `process.dlopen({ exports: {} }, ${file});`;
  const run = (source: string) => {
    const { status, stdout, stderr } = runScript(`
      const hit = () => process.kill(process.pid, 'SIGUSR2');
      const flag = () => new daemonkit.SignalFlag('SIGUSR2');
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
});

/** A process that sends a signal to every thread of another, a number of times. */
const storm = (pid: number, number: number, times: number) => `
import ctypes, os
libc = ctypes.CDLL(None)
threads = [int(name) for name in os.listdir('/proc/${pid}/task')]
for i in range(${times}): libc.tgkill(${pid}, threads[i % len(threads)], ${number})`;

test('a million signals with a blocked event loop: no flag lost, no memory, no standstill', async () => {
  await using stormed = subject(`
    const flag = new SignalFlag('SIGUSR2');
    const stop = new SignalFlag('SIGTERM');
    process.on('SIGHUP', () => say('HUP'));
    flag.wait().then((event) => say('waited', event.signal));
    say('ready');
    while (!stop.raised);
    const total = flag.view[1] >>> 0;
    say(flag.raised, total);
    setTimeout(async () => {
      let last = 0, events = 0;
      for await (const { count } of flag) {
        if (count <= last) throw new Error(count + ' after ' + last);
        last = count;
        events++;
        if (count === total) break;
      }
      say('last', last, events);
      process.exit(0);
    }, 10);`);
  assert.equal(await stormed.line(), 'ready');
  await sleep(300);
  const before = residentSize(stormed.pid);
  const code = `import os
for i in range(1000000): os.kill(${stormed.pid}, 12)`;
  const sender = spawnSync('python3', ['-c', code], { timeout: 60_000 });
  assert.equal(sender.status, 0, String(sender.stderr));
  const grown = residentSize(stormed.pid) - before;
  assert.ok(grown < 2048, `${grown} KiB more`);
  process.kill(stormed.pid, 'SIGHUP');
  process.kill(stormed.pid, 'SIGTERM');
  const [raised, total] = (await stormed.line()).split(' ');
  assert.equal(raised, 'true');
  assert.ok(Number(total) > 10_000 && Number(total) <= 1_000_000, total);
  // The order of these two is the loop's.
  const lines = [await stormed.line(), await stormed.line()].sort();
  assert.deepEqual(lines, ['HUP', 'waited SIGUSR2'], 'process.on() of others has lost nothing');
  const [, last, events] = (await stormed.line()).split(' ');
  assert.equal(last, total, 'the last event has the last count');
  assert.ok(Number(events) > 1000, `${events} events`);
  assert.equal(await stormed.end(), 0);
});

test('flags come and go while every thread is being hit', async () => {
  await using busy = subject(`
    process.on('SIGUSR2', () => {});
    const stop = new SignalFlag('SIGTERM');
    say('ready');
    let made = 0, raised = 0;
    while (!stop.raised) {
      const flags = [new SignalFlag('SIGUSR2'), new SignalFlag(['SIGUSR2', 'SIGWINCH'])];
      for (let i = 0; i < 1000 && !flags[1].raised; i++);
      flags[made % 2][Symbol.dispose]();
      flags[1 - made % 2][Symbol.dispose]();
      made++;
      raised += flags[1].raised ? 1 : 0;
    }
    say(made > 1000, raised > 100);
    process.exit(0);`);
  assert.equal(await busy.line(), 'ready');
  const sender = spawnSync('python3', ['-c', storm(busy.pid, USR2, 200_000)], { timeout: 60_000 });
  assert.equal(sender.status, 0, String(sender.stderr));
  process.kill(busy.pid, 'SIGTERM');
  assert.equal(await busy.line(), 'true true');
  assert.equal(await busy.end(), 0);
});
