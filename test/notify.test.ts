// sd_notify(3) as a service manager receives it.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import {
  type NotifyState,
  notify,
  notifyBarrier,
  startWatchdog,
  watchdogInterval,
} from 'daemonkit';
import { until } from './tools/daemons.js';
import { Manager } from './tools/manager.js';
import { needs, needsRoot, needsSystemd } from './tools/needs.js';
import { scratch } from './tools/scratch.js';
import { scriptCommand } from './tools/script.js';

const service = (source: string, ...args: string[]) => [
  ...scriptCommand(`const { notify } = daemonkit; ${source}`),
  ...args,
];

/** A service that reports these states, one message each. */
const teller = (states: NotifyState[]) =>
  service(
    `for (const state of JSON.parse(process.argv[1])) if (notify(state) !== true) process.exit(3);`,
    JSON.stringify(states),
  );

const EVERY: [NotifyState, string[]][] = [
  [{ ready: true, status: 'Grüße' }, ['READY=1', 'STATUS=Grüße']],
  [{ stopping: true, ready: false }, ['STOPPING=1']],
  [{ errno: 2, busError: 'org.x.Y' }, ['ERRNO=2', 'BUSERROR=org.x.Y']],
  [{ errno: -13, status: '' }, ['STATUS=', 'ERRNO=13']],
  [{ watchdog: true }, ['WATCHDOG=1']],
  [{ watchdog: 'trigger' }, ['WATCHDOG=trigger']],
  [{ watchdogUsec: 20_000_000 }, ['WATCHDOG_USEC=20000000']],
  [{ extendTimeoutUsec: 1 }, ['EXTEND_TIMEOUT_USEC=1']],
  [{ fdStoreRemove: 'a b' }, ['FDSTOREREMOVE=1', 'FDNAME=a b']],
];

for (const kind of ['path', 'abstract']) {
  test(`every message, with its sender's credentials: ${kind}`, async (t) => {
    const address = kind === 'path' ? {} : { address: `@daemonkit-${process.pid}` };
    const states = EVERY.map(([state]) => state);
    const manager = await Manager.start(t, teller(states), address);
    assert.deepEqual(
      await manager.exits(),
      EVERY.map(([, lines]) => lines),
    );
    for (const { pid, uid, fds } of manager.messages) {
      assert.deepEqual(
        { pid, uid, fds },
        { pid: manager.service, uid: process.getuid?.(), fds: [] },
      );
    }
  });
}

test('a reload carries the time of CLOCK_MONOTONIC', async (t) => {
  const states = [{ ready: true }, { reloading: true }, { ready: true }];
  const manager = await Manager.start(t, teller(states));
  const [, [reloading, time] = []] = await manager.exits();
  assert.equal(reloading, 'RELOADING=1');
  const usec = Number(/^MONOTONIC_USEC=(\d+)$/.exec(time ?? '')?.[1]);
  const [before, after] = manager.messages.map(({ clock }) => clock);
  // The manager reads the messages later than they were sent, but in their order.
  assert.ok(
    usec > (before ?? 0) - 10_000_000 && usec <= (after ?? 0),
    `${before} ${usec} ${after}`,
  );
});

test('descriptors are stored under a name, and the main process has a pidfd', async (t) => {
  const manager = await Manager.start(
    t,
    service(`const fd = fs.openSync('/dev/zero');
      notify({ fdStore: { fds: [fd] } });
      notify({ fdStore: { fds: [fd, fd], name: 'state', poll: false }, status: 'x' });
      notify({ fdStore: { fds: Array(253).fill(fd) } });
      notify({ mainPid: process.ppid });`),
  );
  await manager.exits();
  const [plain, named, many, main] = manager.messages;
  assert.deepEqual([plain?.lines, plain?.fds], [['FDSTORE=1'], ['/dev/zero']]);
  assert.deepEqual(named?.lines, ['STATUS=x', 'FDSTORE=1', 'FDNAME=state', 'FDPOLL=0']);
  assert.deepEqual(named?.fds, ['/dev/zero', '/dev/zero']);
  assert.equal(many?.fds.length, 253);
  assert.match(main?.lines.join() ?? '', /^MAINPID=\d+,MAINPIDFD=1$/);
  assert.match(main?.fds.join() ?? '', /pidfd/);
});

test('for another process, if the kernel allows it', needs('root', 'setpriv'), async (t) => {
  const source = 'notify({ ready: true }, { pid: process.ppid })';
  const root = await Manager.start(t, service(`${source}; console.log(process.ppid)`));
  await root.exits();
  assert.equal(root.messages[0]?.pid, Number(root.output));
  const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
  const other = await Manager.start(t, [...nobody, ...service(source)], {
    address: `@daemonkit-other-${process.pid}`,
  });
  await other.exits();
  const [{ pid, uid, lines } = {}] = other.messages;
  assert.deepEqual({ pid, uid, lines }, { pid: other.service, uid: 65534, lines: ['READY=1'] });
});

test('it is told after a chroot, without the environment, and in a fork', needsRoot, async (t) => {
  const root = scratch(t);
  mkdirSync(join(root, 'empty'));
  const manager = await Manager.start(
    t,
    service(
      `notify({ status: 'outside' });
      const pid = daemonkit.fork();
      if (pid === 0) {
        delete process.env.NOTIFY_SOCKET;
        daemonkit.chroot(process.argv[1]);
        notify({ status: 'inside' });
        daemonkit._exit(0);
      }
      daemonkit.waitpid(pid);
      console.log(pid);`,
      join(root, 'empty'),
    ),
  );
  assert.deepEqual(await manager.exits(), [['STATUS=outside'], ['STATUS=inside']]);
  assert.equal(manager.messages[1]?.pid, Number(manager.output));
});

test('a manager that has made its socket anew is told too', async (t) => {
  const manager = await Manager.start(
    t,
    service(`notify({ status: 'old' });
      process.on('SIGUSR1', () => { notify({ status: 'new' }); process.exit(); });
      setInterval(() => {}, 1000);`),
  );
  await manager.hears('STATUS=old');
  manager.command('rebind');
  await until('the new socket', () => manager.rebound);
  // The handler may come after the message.
  const again = setInterval(() => process.kill(manager.service, 'SIGUSR1'), 100);
  t.after(() => clearInterval(again));
  await manager.hears('STATUS=new');
  clearInterval(again);
  await manager.exits();
});

test('a barrier ends when the manager lets go, or its time is over, or an AbortSignal aborts', async (t) => {
  const manager = await Manager.start(
    t,
    service(`const barrier = daemonkit.notifyBarrier;
      void process.stdout; // for whose sake libuv opens /dev/null
      const open = fs.readdirSync('/proc/self/fd').length;
      await barrier({ timeout: 50 }).catch(({ code, syscall }) => console.log(code, syscall));
      const signal = AbortSignal.timeout(50);
      await barrier({ timeout: 60_000, signal }).catch(({ code, cause }) => console.log(code, cause === signal.reason));
      notify({ status: 'now' });
      console.log(await barrier({ timeout: 60_000 }));
      console.log(fs.readdirSync('/proc/self/fd').length - open);`),
    { hold: true },
  );
  await manager.hears('STATUS=now');
  await until('the third barrier', () => manager.told.length === 4);
  assert.equal(manager.output, 'ETIMEDOUT poll\nABORT_ERR true\n');
  const { lines, fds } = manager.messages[3] ?? {};
  assert.deepEqual([lines, fds?.length], [['BARRIER=1'], 1]);
  assert.match(fds?.[0] ?? '', /^pipe:/);
  manager.command('release');
  await manager.exits();
  assert.equal(
    manager.output,
    'ETIMEDOUT poll\nABORT_ERR true\ntrue\n1\n',
    'the socket stays, the pipes do not',
  );
});

// Without WATCHDOG_PID the variable applies to every process that inherits it; the program has
// started the watchdog only for itself.
for (const watchdogPid of [true, false]) {
  const pid = watchdogPid ? 'with' : 'without';
  test(`the watchdog ${pid} WATCHDOG_PID: half the interval, unref, silent in forks and when ill`, (t) =>
    watchdogOf(t, watchdogPid));
}

async function watchdogOf(t: TestContext, watchdogPid: boolean): Promise<void> {
  const source = `let ill = false;
    let asked = 0;
    const watchdog = daemonkit.startWatchdog({ healthy: () => (asked++, !ill) });
    const turns = async (count) => {
      for (const end = asked + count; asked < end; ) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    const child = daemonkit.fork();
    if (child === 0) setTimeout(() => daemonkit._exit(0), 500);
    else {
      await turns(2);
      ill = true;
      notify({ status: 'ill' });
      await turns(3);
      notify({ status: 'well' });
      ill = false;
      await turns(2);
      await daemonkit.waitpidAsync(child);
      notify({ status: 'every ' + daemonkit.watchdogInterval() });
    }`;
  const env = { WATCHDOG_USEC: '200500' };
  const manager = await Manager.start(t, service(source), { env, watchdogPid });
  const told = (await manager.exits()).map(([line]) => line);
  assert.equal(told[0], 'WATCHDOG=1');
  const [ill, well] = [told.indexOf('STATUS=ill'), told.indexOf('STATUS=well')];
  assert.ok(ill >= 3, `${told}`);
  assert.deepEqual(told.slice(ill, well), ['STATUS=ill']);
  assert.ok(told.lastIndexOf('WATCHDOG=1') > well);
  assert.equal(told.at(-1), 'STATUS=every 200.5');
  assert.deepEqual([...new Set(manager.messages.map(({ pid }) => pid))], [manager.service]);
}

test('a watchdog goes on where the program has fake timers', async (t) => {
  const source = `const real = setTimeout;
    const { mock } = await import('node:test');
    mock.timers.enable({ apis: ['setInterval', 'setTimeout', 'setImmediate'] });
    let asked = 0;
    daemonkit.startWatchdog({ healthy: () => ++asked > 0 });
    const look = () => asked < 3 && real(look, 10);
    look();`;
  const env = { WATCHDOG_USEC: '100000' };
  const manager = await Manager.start(t, service(source), { env, watchdogPid: true });
  await manager.exits();
  assert.ok(manager.told.length >= 3, `${manager.told}`);
});

test('no watchdog in a process that WATCHDOG_PID does not name', async (t) => {
  const env = { WATCHDOG_USEC: '200000' };
  const others = await Manager.start(
    t,
    service('console.log(daemonkit.watchdogInterval(), daemonkit.startWatchdog())'),
    { env: { ...env, WATCHDOG_PID: '1' } },
  );
  assert.deepEqual(await others.exits(), []);
  assert.equal(others.output, '0 null\n');
});

test('systemd-notify says the same', needsSystemd, async (t) => {
  const ours = await Manager.start(t, teller([{ ready: true, status: 'up' }]));
  const theirs = await Manager.start(t, ['systemd-notify', '--ready', '--status=up']);
  await ours.exits();
  await theirs.exits();
  assert.deepEqual(theirs.told[0], ours.told[0]);
});

test('nobody to tell is no error; an address that nobody has is', async () => {
  const saved = process.env.NOTIFY_SOCKET;
  try {
    delete process.env.NOTIFY_SOCKET;
    assert.equal(notify({ ready: true }), false);
    assert.equal(await notifyBarrier(), false);
    assert.equal(watchdogInterval(), 0);
    assert.equal(startWatchdog(), null);
    const addresses: [string, object][] = [
      ['/nonexistent/notify', { code: 'ENOENT', syscall: 'connect', path: '/nonexistent/notify' }],
      ['@daemonkit-nobody', { code: 'ECONNREFUSED', syscall: 'connect' }],
      [`/${'x'.repeat(108)}`, { code: 'ENAMETOOLONG' }],
      ['vsock:2:1234', { code: 'ENOTSUP', message: /vsock/ }],
      ['relative', { code: 'EAFNOSUPPORT' }],
    ];
    for (const [address, error] of addresses) {
      process.env.NOTIFY_SOCKET = address;
      assert.throws(() => notify({ ready: true }), error, address);
      await assert.rejects(notifyBarrier(), error, address);
    }
  } finally {
    if (saved === undefined) delete process.env.NOTIFY_SOCKET;
    else process.env.NOTIFY_SOCKET = saved;
  }
});

test('wrong states are told before anything happens', () => {
  const type = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
  const value = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' };
  const range = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
  const wrong: [unknown, object][] = [
    [undefined, type],
    [null, type],
    [{}, value],
    [{ ready: false }, value],
    [{ ready: 1 }, type],
    [{ readdy: true }, value],
    [{ status: 'two\nlines' }, value],
    [{ status: 'x'.repeat(4096) }, range],
    [{ mainPid: 0 }, range],
    [{ watchdog: 'tigger' }, type],
    [{ watchdogUsec: 1.5 }, range],
    [{ fdStore: [3] }, type],
    [{ fdStore: {} }, type],
    [{ fdStore: { fds: [] } }, value],
    [{ fdStore: { fds: Array(254).fill(0) } }, value],
    [{ fdStore: { fds: [-1] } }, range],
    [{ fdStore: { fds: [0], name: 'a:b' } }, value],
    [{ fdStore: { fds: [0], name: 'ü' } }, value],
    [{ fdStore: { fds: [0], name: 'x'.repeat(256) } }, value],
    [{ fdStoreRemove: '' }, value],
    [{ fdStoreRemove: 'a', mainPid: 1 }, value],
  ];
  for (const [state, error] of wrong) {
    assert.throws(() => notify(state as never), error, JSON.stringify(state));
  }
  assert.throws(() => notify({ ready: true }, { pid: -1 }), range);
  assert.throws(() => startWatchdog({ healthy: true as never }), type);
  return assert.rejects(notifyBarrier({ timeout: 0 }), range);
});
