// What a SignalFlag refuses, and what many of them leave behind.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { SignalFlag } from 'daemonkit';
import { native } from '../lib/addon/native.js';
import { SignalRecords } from '../lib/signal/records.js';
import { needs } from './tools/needs.js';
import { runScript } from './tools/script.js';
import { disposition } from './tools/subject.js';

const ALRM = 14;
const hit = (signal: string | number = 'SIGALRM') => process.kill(process.pid, signal);
const descriptors = () => readdirSync('/proc/self/fd').length;

test('a thousand flags leave no descriptor and no handler', async () => {
  const before = descriptors();
  for (let i = 0; i < 1000; i++) {
    using flag = new SignalFlag('SIGALRM');
    if (i % 100 !== 0) continue;
    hit();
    flag.clear();
    flag.ref();
    setTimeout(hit, 1);
    await flag.wait();
  }
  assert.equal(descriptors(), before);
  assert.equal(disposition(ALRM), 'default');
});

test(
  'without descriptors the constructor throws and leaves nothing behind',
  needs('prlimit'),
  () => {
    // A flag's pipe is two, and the first flag needs two for the holder's.
    const { status, stdout, stderr } = runScript(
      `
    const open = [];
    try { for (;;) open.push(fs.openSync('/dev/null')); } catch {}
    const results = [];
    for (let free = 0; free < 4; free++) {
      try { new daemonkit.SignalFlag('SIGALRM'); results.push('made'); } catch (error) {
        results.push(error.code + error.errno + error.syscall);
      }
      fs.closeSync(open.pop());
    }
    const flag = new daemonkit.SignalFlag('SIGALRM');
    process.kill(process.pid, 'SIGALRM');
    console.log(...results, flag.raised);`,
      { via: ['prlimit', '--nofile=128'] },
    );
    assert.deepEqual([status, stderr], [0, '']);
    assert.equal(stdout, `${'EMFILE-24pipe2 '.repeat(4)}true\n`);
  },
);

test('signals that must not be caught and wrong arguments are refused', () => {
  const code = (signals: unknown) => {
    try {
      new SignalFlag(signals as never)[Symbol.dispose]();
    } catch (error) {
      assert.ok(error instanceof TypeError || error instanceof RangeError);
      return (error as NodeJS.ErrnoException).code;
    }
    return 'none';
  };
  const before = descriptors();
  const empty: string[] = [];
  const faults = ['SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGTRAP', 'SIGSYS'];
  const unknown = ['SIGNOPE', 'sigterm', 'TERM', '', 'SIGRTMIN+31', 'SIGRTMAX-31', 'toString'];
  for (const name of ['SIGKILL', 9, 'SIGSTOP', 'SIGPROF', 32, 33, ...faults, ...unknown, empty]) {
    assert.equal(code(name), 'ERR_INVALID_ARG_VALUE', `${name}`);
    assert.equal(
      code(['SIGALRM', name]),
      name === empty ? 'ERR_INVALID_ARG_TYPE' : 'ERR_INVALID_ARG_VALUE',
    );
  }
  for (const number of [0, -1, 65, 1.5, Number.NaN]) assert.equal(code(number), 'ERR_OUT_OF_RANGE');
  for (const other of [undefined, null, {}, 15n, true, [undefined]]) {
    assert.equal(code(other), 'ERR_INVALID_ARG_TYPE');
  }
  assert.deepEqual([descriptors(), disposition(ALRM)], [before, 'default']);
  // musl keeps one signal more for itself than glibc.
  const [first, last] = [native.signalRtMin(), native.signalRtMax()];
  const lowest = `SIGRTMAX-${last - first}`;
  for (const fine of ['SIGCHLD', 'SIGIO', 'SIGPOLL', first, last, 'SIGRTMIN', lowest]) {
    assert.equal(code(fine), 'none', `${fine}`);
  }
});

test('wrong options of wait() reject before it waits; a disposed flag says so', async () => {
  const flag = new SignalFlag('SIGALRM');
  hit();
  const wait = (options: unknown) => flag.wait(options as object);
  await assert.rejects(wait(null), { code: 'ERR_INVALID_ARG_TYPE' });
  await assert.rejects(wait({ signal: 'SIGTERM' }), { code: 'ERR_INVALID_ARG_TYPE' });
  await assert.rejects(wait({ timeout: 1 }), { code: 'ERR_INVALID_ARG_VALUE' });
  flag[Symbol.dispose]();
  flag[Symbol.dispose]();
  assert.deepEqual([flag.raised, [...flag.view]], [true, [1, 1]]);
  const gone = { code: 'ERR_INVALID_STATE' };
  for (const use of ['fd', 'signal'] as const) assert.throws(() => flag[use], gone);
  for (const call of ['clear', 'ref', 'unref'] as const) assert.throws(() => flag[call](), gone);
  await assert.rejects(flag[Symbol.asyncIterator]().next(), gone);
});

test('what comes while a flag is cleared is told once', () => {
  const view = new Int32Array(new SharedArrayBuffer(8));
  const id = native.signalFlagOpen(view, Int32Array.of(ALRM));
  try {
    const records = new SignalRecords(id, [ALRM], view);
    hit();
    const before = records.counts();
    // On another thread, between clear()'s look at the counts and what it forgets by them.
    hit();
    hit();
    records.forget(before);
    const told = [records.take(), records.take(), records.take()];
    assert.deepEqual(
      told.map((event) => event?.count),
      [2, 3, undefined],
    );
    hit();
    assert.deepEqual([records.take()?.count, records.take()], [4, undefined]);
  } finally {
    native.signalFlagClose(id);
  }
});
