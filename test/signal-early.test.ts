// A signal that comes to a fork before its hooks have run is caught by copies of the parent's handlers, and acts
// as any other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Grouped } from './tools/grouped.js';

const addon = new URL('../../test/native/build/Release/test_threads.node', import.meta.url);

test('a fork of a daemon, and of a master, that is told to end at once does', async (t) => {
  const group = new Grouped(
    t,
    `daemonkit.becomeDaemon({ detach: false, env: 'keep', reopenOn: 'SIGUSR2' });
    const ends = async (who, signal) => {
      for (let i = 0; i < 5; i++) {
        const pid = fork();
        if (pid === 0) await pause(1e6);
        process.kill(pid, signal);
        say(who, (await daemonkit.waitpidAsync(pid)).signal);
      }
    };
    await ends('daemon', 'SIGTERM');
    const master = prefork({ workers: 1, onWorkerStart() {} });
    await master.ready;
    await ends('master', 'SIGINT');
    await ends('both', 'SIGTERM');
    say('listeners', process.listenerCount('SIGTERM'), master.pids.length);
    await master.stop();
    process.exit(0);`,
  );
  await group.endsWell();
  assert.deepEqual(group.words('daemon'), new Array(5).fill(['SIGTERM']));
  assert.deepEqual(group.words('master'), new Array(5).fill(['SIGINT']));
  assert.deepEqual(group.words('both'), new Array(5).fill(['SIGTERM']));
  assert.deepEqual(group.words('listeners'), [[1, 1]]);
});

test('a fork has its other handlers for the signal, which hear of it once', async (t) => {
  const group = new Grouped(
    t,
    `daemonkit.becomeDaemon({ detach: false, env: 'keep' });
    const flag = new daemonkit.SignalFlag('SIGTERM');
    process.on('SIGTERM', () => say('heard', process.pid, flag.view[1]));
    for (let i = 0; i < 3; i++) {
      const pid = fork();
      if (pid === 0) {
        await until(() => flag.raised);
        // What would come a second time does so by now.
        process.kill(process.pid, 'SIGURG');
        await new Promise((resolve) => { setImmediate(() => setImmediate(resolve)); });
        say('counts', process.listenerCount('SIGTERM'));
        daemonkit._exit(0);
      }
      process.kill(pid, 'SIGTERM');
      say('child', pid, (await daemonkit.waitpidAsync(pid)).exitCode);
    }
    process.exit(0);`,
  );
  await group.endsWell();
  const children = group.words('child').map(([pid]) => pid);
  assert.deepEqual(
    group.words('heard'),
    children.map((pid) => [pid, 1]),
  );
  assert.deepEqual(
    group.words('child'),
    children.map((pid) => [pid, 0]),
  );
  assert.deepEqual(group.words('counts'), new Array(3).fill([1]));
});

for (const [who, signal] of [
  ['daemon', 'SIGTERM'],
  ['master', 'SIGINT'],
  ['master', 'SIGTERM'],
  ['daemon and master', 'SIGTERM'],
  ['flag', 'SIGUSR2'],
] as const) {
  test(`a fork ends, also when another thread is slow to handle the signal: ${who}, ${signal}`, async (t) => {
    const group = new Grouped(
      t,
      `const { createRequire } = await import('node:module');
      const threads = createRequire(process.argv[1])(process.argv[1]);
      const [who, signal] = process.argv.slice(2);
      const number = (await import('node:os')).constants.signals[signal];
      let slow = false;
      // The first of the child's hooks: the others remove handlers while one of these runs.
      daemonkit.atFork({ child: () => slow && threads.awaitSlow() });
      if (who.includes('daemon')) daemonkit.becomeDaemon({ detach: false, env: 'keep', reopenOn: 'SIGUSR1' });
      const flag = who === 'flag' && new daemonkit.SignalFlag(signal);
      if (flag) daemonkit.atFork({ child: () => flag[Symbol.dispose]() });
      const master = who.includes('master') && prefork({ workers: 1, onWorkerStart() {} });
      if (master) await master.ready;
      slow = threads.slowHandler(number) === 0;
      say('installed', slow);
      // The child has its threads in the parent's order; while they come back they block everything.
      const tasks = (pid) => {
        // readdirSync() would sort by the digits of the ids, which begin again at the end.
        const folder = fs.opendirSync('/proc/' + pid + '/task');
        const all = [];
        for (let entry; (entry = folder.readSync()) !== null; ) all.push(Number(entry.name));
        folder.closeSync();
        return all;
      };
      const takes = tasks('self').findIndex((tid, i) => {
        if (i === 0) return false;
        const [, mask] = /SigBlk:\\s*(\\w+)/.exec(fs.readFileSync('/proc/self/task/' + tid + '/status', 'utf8'));
        return (BigInt('0x' + mask) & (1n << BigInt(number - 1))) === 0n;
      });
      for (let i = 0; i < 3; i++) {
        const pid = fork();
        if (pid === 0) await pause(1e6);
        say('sent', threads.tgkill(pid, tasks(pid)[takes], number));
        say('ended', (await daemonkit.waitpidAsync(pid)).signal);
      }
      if (master) await master.stop();
      process.exit(0);`,
      { args: [fileURLToPath(addon), who, signal] },
    );
    await group.endsWell();
    assert.deepEqual(group.words('installed'), [[true]]);
    assert.deepEqual(group.words('sent'), new Array(3).fill([0]));
    assert.deepEqual(group.words('ended'), new Array(3).fill([signal]));
  });
}

for (const how of ['nothing', 'daemon', 'listener', 'flag']) {
  test(`a worker that is asked to end at once does, whoever else catches SIGTERM: ${how}`, async (t) => {
    const group = new Grouped(
      t,
      `const how = process.argv[1];
      if (how === 'daemon') daemonkit.becomeDaemon({ detach: false, env: 'keep' });
      if (how === 'listener') process.on('SIGTERM', () => say('heard'));
      if (how === 'flag') new daemonkit.SignalFlag('SIGTERM');
      for (let i = 0; i < 6; i++) {
        const master = prefork({
          workers: 1,
          stopTimeout: 600_000,
          stopSignals: ['SIGQUIT'],
          onWorkerStart: () => say('listeners', process.listenerCount('SIGTERM')),
          onMasterReap: ({ exitCode, signal }) => say('ended', exitCode ?? signal),
        });
        master.ready.catch(() => {});
        while (master.pids.length === 0) await new Promise(setImmediate);
        await master.stop();
      }
      process.exit(0);`,
      { args: [how] },
    );
    await group.endsWell();
    // Without a handler it kills.
    const ends = new Set(group.words('ended').flat());
    if (how === 'nothing') ends.delete('SIGTERM');
    assert.equal(group.words('ended').length, 6);
    assert.deepEqual(
      [...ends].filter((end) => end !== 0),
      [],
    );
    assert.deepEqual(group.words('heard'), []);
  });
}
