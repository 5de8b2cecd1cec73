// Subreapers, the parent death signal, pidfds: between processes that report their state.
import assert from 'node:assert/strict';
import { readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { native } from '../lib/addon/native.js';
import { needsRoot } from './tools/needs.js';
import { stat } from './tools/proc.js';
import { runScript } from './tools/script.js';
import { guard, subject } from './tools/subject.js';

const parentOf = (pid: number) => Number(stat(pid)[1]);

async function gone(pid: number): Promise<boolean> {
  for (let tries = 0; tries < 3000; tries++) {
    const [state] = stat(pid);
    if (state === 'gone' || state === 'Z' || state === 'X') return true;
    await sleep(10);
  }
  return false;
}

test('setChildSubreaper: an orphan becomes our child, to be waited for; not inherited', async () => {
  await using reaper = subject(`
    const { fork, waitpid, _exit } = daemonkit;
    say(daemonkit.getChildSubreaper());
    daemonkit.setChildSubreaper(true);
    say(daemonkit.getChildSubreaper());
    const middle = fork();
    if (middle === 0) {
      say(daemonkit.getChildSubreaper());
      if (fork() === 0) {
        daemonkit.setParentDeathSignal(null);
        say('orphan', process.pid);
        setInterval(() => {}, 1000);
      } else _exit(0);
    } else {
      waitpid(middle);
      process.on('SIGUSR2', () => {
        const { pid, exitCode, signal } = waitpid(-1);
        say(pid, String(exitCode), signal);
        daemonkit.setChildSubreaper(false);
        say(daemonkit.getChildSubreaper());
      });
      setInterval(() => {}, 1000);
      say('waited');
    }`);
  assert.equal(await reaper.line(), 'false');
  assert.equal(await reaper.line(), 'true');
  assert.equal(await reaper.line(), 'false');
  const lines = [await reaper.line(), await reaper.line()].sort();
  const orphan = Number(/^orphan (\d+)$/.exec(lines[0] as string)?.[1]);
  try {
    assert.equal(lines[1], 'waited');
    assert.equal(parentOf(orphan), reaper.pid);
  } finally {
    process.kill(orphan, 'SIGTERM');
  }
  assert.equal(await gone(orphan), true);
  process.kill(reaper.pid, 'SIGUSR2');
  assert.equal(await reaper.line(), `${orphan} null SIGTERM`);
  assert.equal(await reaper.line(), 'false');
});

test('setParentDeathSignal: child and grandchild end with their parents; fork clears it', async () => {
  await using family = subject(`
    const { fork, getParentDeathSignal, setParentDeathSignal } = daemonkit;
    let generation = 1;
    for (; generation < 3; generation++) {
      if (fork() !== 0) break;
      say('born', process.pid, String(getParentDeathSignal()));
      setParentDeathSignal(generation === 1 ? 'SIGRTMIN+2' : 9);
      say('set', getParentDeathSignal());
    }
    setInterval(() => {}, 1000);`);
  const child = Number(/^born (\d+) null$/.exec(await family.line())?.[1]);
  assert.equal(await family.line(), 'set SIGRTMIN+2');
  const grandchild = Number(/^born (\d+) null$/.exec(await family.line())?.[1]);
  assert.equal(await family.line(), 'set SIGKILL');
  assert.deepEqual([parentOf(child), parentOf(grandchild)], [family.pid, child]);
  process.kill(family.pid, 'SIGKILL');
  assert.equal(await family.end(), 'SIGKILL');
  assert.deepEqual([await gone(child), await gone(grandchild)], [true, true]);
});

test('setParentDeathSignal: null takes it back, a change of user forgets it', needsRoot, () => {
  const ran = runScript(`
    const { getParentDeathSignal: get, setParentDeathSignal: set } = daemonkit;
    set('SIGTERM'); console.log(get());
    set(null); console.log(get());
    set(15); console.log(get());
    set(0); console.log(get());
    set('SIGHUP'); console.log(get());
    daemonkit.setresuid(65534, 65534, 65534); console.log(get());`);
  assert.equal(ran.stdout, 'SIGTERM\nnull\nSIGTERM\nnull\nSIGHUP\nnull\n');
});

test(
  'pidfdOpen, pidfdSendSignal: close-on-exec, one process for ever, and errors',
  needsRoot,
  async () => {
    await using target = subject(`process.on('SIGUSR2', () => say('hit'));
    const flag = new SignalFlag('SIGRTMIN+4');
    flag.wait().then(({ signal, pid }) => say(signal, pid));
    say('ready'); setInterval(() => {}, 1000);`);
    assert.equal(await target.line(), 'ready');
    await using sender = subject(`
    const { pidfdOpen, pidfdSendSignal } = daemonkit;
    const fd = pidfdOpen(${target.pid});
    const failure = (f) => { try { return f(); } catch (e) { return [e.code, e.errno, e.syscall].join(' '); } };
    say(fd);
    pidfdSendSignal(fd, 0);
    pidfdSendSignal(fd, 'SIGUSR2');
    pidfdSendSignal(fd, ${native.signalRtMin() + 4});
    const dead = daemonkit.fork();
    if (dead === 0) daemonkit._exit(0);
    const child = pidfdOpen(dead);
    daemonkit.waitpid(dead);
    say(failure(() => pidfdSendSignal(child, 0)));
    say(failure(() => pidfdOpen(dead)));
    say(failure(() => pidfdSendSignal(1, 'SIGTERM')));
    say(failure(() => pidfdSendSignal(900, 'SIGTERM')));
    daemonkit.setresuid(65534, 65534, 65534);
    say(failure(() => pidfdSendSignal(fd, 'SIGKILL')));
    setInterval(() => {}, 1000);`);
    const fd = await sender.line();
    assert.deepEqual([await target.line(), await target.line()].sort(), [
      `SIGRTMIN+4 ${sender.pid}`,
      'hit',
    ]);
    assert.equal(await sender.line(), 'ESRCH -3 pidfd_send_signal');
    assert.equal(await sender.line(), 'ESRCH -3 pidfd_open');
    assert.equal(await sender.line(), 'EBADF -9 pidfd_send_signal');
    assert.equal(await sender.line(), 'EBADF -9 pidfd_send_signal');
    assert.equal(await sender.line(), 'EPERM -1 pidfd_send_signal');
    assert.match(readlinkSync(`/proc/${sender.pid}/fd/${fd}`), /pidfd/);
    const info = readFileSync(`/proc/${sender.pid}/fdinfo/${fd}`, 'utf8');
    assert.match(info, new RegExp(`^Pid:\\s+${target.pid}$`, 'm'));
    assert.match(info, /^flags:\s+02\d*$/m, 'O_CLOEXEC');
  },
);

test('a pidfd in child and grandchild is the same process', async () => {
  await using family = subject(`
    const { fork, pidfdOpen, pidfdSendSignal } = daemonkit;
    const fd = pidfdOpen(process.pid);
    const flag = new SignalFlag('SIGUSR2');
    let generation = 1;
    for (; generation < 3; generation++) if (fork() !== 0) break;
    if (generation === 1) {
      const heard = new Set();
      for await (const { pid } of flag) {
        heard.add(pid);
        if (heard.size === 2) break;
      }
      say('both');
    } else {
      ${guard}
      // Standard signals do not queue: two at once may be one.
      const timer = setInterval(() => {
        try { pidfdSendSignal(fd, 'SIGUSR2'); } catch { clearInterval(timer); }
      }, 50);
    }`);
  assert.equal(await family.line(), 'both');
  assert.equal(await family.end(), 0);
});
