// The events of diagnostics_channel, as a subscriber sees them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { daemonkit, writeApp } from './tools/cli.js';
import { Nest, until } from './tools/daemons.js';
import { linesOf } from './tools/script.js';

const DIAGNOSTICS = "const channels = await import('node:diagnostics_channel');";

test('daemonkit:fork in parent and child, before their hooks', () => {
  const said = linesOf<Record<string, unknown>>(
    `${DIAGNOSTICS}
    const say = (value) => fs.writeSync(1, JSON.stringify(value) + '\\n');
    let heard = 0;
    channels.subscribe('daemonkit:fork', (message) => { heard++; say(message); });
    const here = process.pid;
    daemonkit.atFork({ parent: () => say({ heard }), child: () => say({ heard }) });
    const child = daemonkit.fork();
    if (child === 0) {
      say({ me: process.pid, parent: here });
      daemonkit._exit(0);
    }
    daemonkit.waitpid(child);
    say({ child, me: here });`,
  );
  const [{ child, me } = {}] = said.slice(-1);
  const of = (role: string) => said.filter((message) => message.role === role);
  assert.deepEqual(of('parent'), [{ pid: me, role: 'parent', parent: me, child }]);
  assert.deepEqual(of('child'), [{ pid: child, role: 'child', parent: me, child }]);
  assert.deepEqual(
    said.filter(({ heard }) => heard !== undefined),
    [{ heard: 1 }, { heard: 1 }],
  );
});

test('daemonkit:signal for each record that the event loop reads', () => {
  const [events] = linesOf<Record<string, unknown>[]>(
    `${DIAGNOSTICS}
    const heard = [];
    channels.subscribe('daemonkit:signal', (message) => heard.push(message));
    const flag = new daemonkit.SignalFlag(['SIGUSR1', 'SIGUSR2']);
    const waiting = flag.wait();
    process.kill(process.pid, 'SIGUSR1');
    await waiting;
    process.kill(process.pid, 'SIGUSR2');
    while (heard.length < 2) await new Promise((resolve) => setTimeout(resolve, 2));
    console.log(JSON.stringify(heard.map(({ signal, pid, count }) => [signal, pid === process.pid, count])));`,
  );
  assert.deepEqual(events, [
    ['SIGUSR1', true, 1],
    ['SIGUSR2', true, 1],
  ]);
});

test('daemonkit:ready once, in the daemon', async (t) => {
  const nest = new Nest(t);
  writeApp(
    nest,
    'app.mjs',
    `import { subscribe } from 'node:diagnostics_channel';
    subscribe('daemonkit:ready', (message) => console.log(JSON.stringify(message)));
    setTimeout(() => daemonkit.currentDaemon().ready(), 50);`,
  );
  const options = ['--pidfile', 'd.pid', '--log', nest.log, '--ready', 'manual'];
  assert.equal((await daemonkit(nest, ['start', ...options, 'app.mjs'])).code, 0);
  const pid = nest.pid();
  await until('it is told', () => nest.logged() !== '');
  assert.deepEqual(JSON.parse(nest.logged()), { pid, pidfile: nest.pidfile });
});
