// An application with its own copy of the package, as after `npm install -g` of the command.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { daemonkit, starts, writeApp } from './tools/cli.js';
import { secondCopy } from './tools/copy.js';
import { lives, Nest, until } from './tools/daemons.js';
import { childrenOf, descriptors } from './tools/proc.js';
import { entry } from './tools/script.js';

const FILE = ['--pidfile', 'd.pid'];

for (const strategy of ['fork', 'reexec']) {
  test(`${strategy}: the daemon that the command has made is its own`, async (t) => {
    const nest = new Nest(t);
    // It ends when the master has: nothing else keeps it.
    writeFileSync(
      join(nest.directory, 'app.mjs'),
      `import * as daemonkit from ${JSON.stringify(entry)};
      import { becomeDaemon, currentDaemon, prefork } from ${JSON.stringify(secondCopy(t, 'same version'))};
      const daemon = currentDaemon();
      let code;
      try { becomeDaemon(); } catch (error) { ({ code } = error); }
      process.on('exit', () => console.log('exit of', process.pid));
      const say = () => console.error('worker', process.pid);
      const master = prefork({ workers: 1, onWorkerStart() { say(); process.on('SIGUSR2', say); } });
      await master.ready;
      console.log(daemon?.pidfile, code, daemonkit.currentDaemon() === daemon);
      daemon.ready();`,
    );
    const options = [...FILE, '--log', nest.log, '--strategy', strategy];
    const launched = await daemonkit(nest, ['start', ...options, '--ready', 'manual', 'app.mjs']);
    assert.equal(launched.code, 0, launched.stderr);
    const pid = nest.pid();
    const [worker = 0] = childrenOf(pid);
    assert.equal(launched.stderr, '');
    assert.ok(nest.logged().includes(`${nest.pidfile} ERR_INVALID_STATE true\n`), nest.logged());
    // The launcher and the pidfile are the daemon's alone.
    const open = descriptors(worker);
    assert.equal(open[2], nest.log);
    assert.equal(Object.values(open).includes(nest.pidfile), false);
    assert.equal(Object.values(descriptors(pid)).includes(nest.pidfile), true);

    assert.equal((await daemonkit(nest, ['reload', ...FILE])).code, 0);
    const next = await until('its successor alone', () => {
      const [child, ...more] = childrenOf(pid);
      return more.length === 0 && child !== worker ? child : undefined;
    });
    process.kill(next, 'SIGUSR2');
    await until('it lives', () => nest.logged().split(`worker ${next}\n`).length === 3);
    await lives(pid);
    const stopped = await daemonkit(nest, ['stop', ...FILE]);
    assert.equal(stopped.stdout, `process ${pid} ended by SIGTERM\n`);
    assert.deepEqual(nest.processes(), []);
    assert.equal(nest.logged().split(`exit of ${pid}\n`).length, 2);
  });
}

test('two copies: SIGTERM to a fork by one ends nothing of the other', async (t) => {
  const nest = new Nest(t);
  writeApp(
    nest,
    'app.mjs',
    `import { fork, waitpidAsync } from ${JSON.stringify(secondCopy(t, 'same version'))};
    const child = fork();
    if (child === 0) setInterval(() => {}, 1000);
    else console.log(JSON.stringify([child, (await waitpidAsync(child)).signal]));`,
  );
  const pid = await starts(nest, [
    'start',
    ...FILE,
    '--log',
    nest.log,
    '--ready=detached',
    'app.mjs',
  ]);
  // Perhaps before its hooks have run.
  const child = await until('a child', () => childrenOf(pid)[0]);
  process.kill(child, 'SIGTERM');
  await until('it is waited for', () => nest.logged().endsWith(']\n'));
  assert.deepEqual([nest.logged(), nest.processes()], [`[${child},"SIGTERM"]\n`, [pid]]);
  assert.equal((await daemonkit(nest, ['stop', ...FILE])).code, 0);
});
