// A SignalFlag in a process that forks: each process has the flag, and only its own signals.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { test } from 'node:test';
import { native } from '../lib/addon/native.js';
import { often } from './tools/full.js';
import { run } from './tools/run.js';
import { disposition, subject } from './tools/subject.js';

const ALRM = 14;
/** SIGRTMIN+1: by number, as musl keeps one signal more for itself than glibc, and than Python here. */
const OWN = native.signalRtMin() + 1;

test('the child inherits flag and unread events; from then on each has its own', async () => {
  await using family = subject(`
    const flag = new SignalFlag('SIGALRM');
    const heard = [];
    process.on('SIGALRM', () => heard.push(process.pid));
    process.kill(process.pid, 'SIGALRM');
    const parent = process.pid;
    const pid = daemonkit.fork();
    const who = pid === 0 ? 'child' : 'parent';
    const events = flag[Symbol.asyncIterator]();
    const { value } = await events.next();
    await events.return();
    const inherited = flag.raised;
    flag.clear();
    say(who, process.pid, inherited, value.count, value.pid === parent);
    process.on('SIGHUP', () => say(who, 'is', flag.raised, flag.view[1], heard.length));
    setTimeout(() => process.exit(3), 20_000);
    for (;;) {
      const { count } = await flag.wait();
      flag.clear();
      say(who, 'woken', count);
    }`);
  const first = [await family.line(), await family.line()].sort();
  const child = Number(first[0]?.split(' ')[1]);
  assert.deepEqual(first, [`child ${child} true 1 true`, `parent ${family.pid} true 1 true`]);
  assert.notEqual(child, family.pid);
  try {
    for (const [pid, who] of [
      [child, 'child'],
      [family.pid, 'parent'],
      [child, 'child'],
    ] as const) {
      assert.equal(disposition(ALRM, pid), 'caught');
      process.kill(pid, 'SIGALRM');
      assert.match(await family.line(), new RegExp(`^${who} woken [23]$`));
    }
    process.kill(family.pid, 'SIGHUP');
    assert.equal(await family.line(), 'parent is false 2 2');
    process.kill(child, 'SIGHUP');
    assert.equal(await family.line(), 'child is false 3 3');
  } finally {
    process.kill(child, 'SIGKILL');
  }
});

test('disposing in the child leaves the parent its handler, and the other way round', async () => {
  for (const disposer of ['child', 'parent']) {
    await using family = subject(`
      const flag = new SignalFlag('SIGALRM');
      const who = daemonkit.fork() === 0 ? 'child' : 'parent';
      if (who === '${disposer}') flag[Symbol.dispose]();
      say(who, process.pid);
      setTimeout(() => process.exit(3), 20_000);
      if (who !== '${disposer}') flag.wait().then(() => say(who, 'woken'));`);
    const pids = new Map<string, number>();
    for (let i = 0; i < 2; i++) {
      const [who, pid] = (await family.line()).split(' ');
      pids.set(who as string, Number(pid));
    }
    const other = disposer === 'child' ? 'parent' : 'child';
    try {
      assert.equal(disposition(ALRM, pids.get(disposer)), 'default');
      assert.equal(disposition(ALRM, pids.get(other)), 'caught');
      process.kill(pids.get(other) as number, 'SIGALRM');
      assert.equal(await family.line(), `${other} woken`);
    } finally {
      for (const pid of pids.values()) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It has ended by itself.
        }
      }
    }
  }
});

test('forks in the midst of a storm of signals, generation after generation', async () => {
  const seconds = often(3, 1.5);
  await using family = subject(`
    const flag = new SignalFlag(['SIGALRM', 'SIGRTMIN+1']);
    say('ready');
    while (!flag.raised);
    const started = flag.view[1];
    for (let i = 0; i < 40; i++) {
      if (daemonkit.fork() !== 0) continue;
      // In the child: a signal of its own, by memory and by the loop. An ALRM may still end its way
      // here, if its handler was running on another thread when that was copied.
      flag.clear();
      setTimeout(() => process.exit(3), 20_000);
      if (i % 4 === 0) daemonkit.fork();
      const events = flag[Symbol.asyncIterator]();
      const next = events.next();
      process.kill(process.pid, ${OWN});
      let { number, pid } = (await next).value;
      while (number !== ${OWN}) ({ number, pid } = (await events.next()).value);
      say(flag.view[2], number, pid === process.pid);
      process.exit(0);
    }
    const stormed = flag.view[1] > started;
    setTimeout(() => say('parent', stormed, flag.view[2]), ${seconds * 1000});`);
  assert.equal(await family.line(), 'ready');
  const storm = `import os, time
end = time.time() + ${seconds}
while time.time() < end:
  for i in range(1000): os.kill(${family.pid}, ${ALRM})`;
  const sender = spawnSync('python3', ['-c', storm], { timeout: 30_000 });
  assert.equal(sender.status, 0, String(sender.stderr));
  const lines: string[] = [];
  for (let i = 0; i < 51; i++) lines.push(await family.line());
  const children = lines.filter((line) => !line.startsWith('parent'));
  assert.deepEqual(new Set(children), new Set([`1 ${OWN} true`]));
  assert.equal(lines.length - children.length, 1);
  assert.match(lines.find((line) => line.startsWith('parent')) as string, /^parent true 0$/);
});

/** Sends signals until a line arrives, then prints how many real-time signals it has sent. */
const storm = (pid: number) => `import ctypes, os, select, signal, sys, time
libc, sent = ctypes.CDLL(None), 0
while not select.select([sys.stdin], [], [], 0)[0]:
  for i in range(50):
    sent += libc.sigqueue(${pid}, ${native.signalRtMin() + 2}, ctypes.c_void_p(0)) == 0
    os.kill(${pid}, signal.SIGUSR1)
    os.killpg(${pid}, signal.SIGURG)
    os.killpg(${pid}, signal.SIGWINCH)
  time.sleep(0.001)
print(sent)`;

test('25 forks in a storm of four signals: none that queues is lost, all of them work', async (t) => {
  const said = await run('storm.js', [], {
    timeout: 120_000,
    meanwhile: async (forker) => {
      const lines = createInterface(forker.stdout as Readable)[Symbol.asyncIterator]();
      assert.equal((await lines.next()).value, 'ready');
      const sender = spawn('python3', ['-c', storm(forker.pid as number)], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      try {
        assert.equal((await lines.next()).value, 'enough');
        sender.stdin.end('enough\n');
        const [sent] = await once(sender.stdout, 'data');
        forker.stdin?.end(sent);
      } finally {
        sender.kill('SIGKILL');
      }
    },
  });
  const { stdout, ...rest } = said;
  const well = { code: 0, signal: null, stderr: '', timedOut: false, survivors: [] };
  assert.deepEqual(rest, well, stdout);
  const { sent, came, urgent, heard } = JSON.parse(stdout.split('\n')[2] as string);
  t.diagnostic(stdout.split('\n')[2] as string);
  assert.ok(sent > 1000, `${sent} signals are no storm`);
  assert.equal(came, sent);
  assert.ok(urgent > 0 && heard.SIGUSR1 > 0 && heard.SIGWINCH > 0, stdout);
});
