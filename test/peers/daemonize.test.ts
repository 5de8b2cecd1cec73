// After daemonize (Rust, knsd; Python, thesharp) and ruby/spec's Process.daemon: what their tests ask
// of a daemon and test/daemon*.test.ts do not.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chownSync, readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { Nest, until } from '../tools/daemons.js';
import { needsRoot } from '../tools/needs.js';
import { fixture } from '../tools/run.js';

const NOBODY = 65534;

async function daemonized(nest: Nest, user: string[] = []) {
  const args = [fixture('peers/daemonize.js'), nest.directory, ...user];
  const launcher = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: nest.env(),
  });
  let output = '';
  for (const stream of [launcher.stdout, launcher.stderr]) {
    stream?.on('data', (text) => {
      output += text;
    });
  }
  const code = await new Promise((resolve) => launcher.on('close', resolve));
  assert.deepEqual([code, output], [0, '']);
  const said = () => readFileSync(`${nest.directory}/kept`, 'utf8');
  await until('the daemon has spoken', () => said().includes('stdin'));
  const pid = nest.pid();
  process.kill(pid, 'SIGTERM');
  await until('it has ended', () => said().includes('Stopping'));
  return { launcher: launcher.pid, pid, said: said() };
}

test('steps in order, in another process and group, exit handlers in the daemon only', async (t) => {
  const nest = new Nest(t);
  const { launcher, pid, said } = await daemonized(nest);
  const action = /^Action true (\d+) (\d+) \/\.$/m.exec(said);
  assert.ok(action, said);
  assert.deepEqual(
    said.replace(action[0], 'Action.'),
    'Starting.\nPrivileged action.\nAction.\nstdin: 0 bytes.\nStopping true.\n',
  );
  assert.equal(Number(action[1]), pid);
  assert.notEqual(pid, launcher);
  assert.notEqual(action[1], action[2], 'the daemon leads no group');
  assert.equal(statSync(`${nest.directory}/additional`).mode & 0o777, 0o444);
});

test(
  'a file that the privileged hook has opened serves the user it became',
  needsRoot,
  async (t) => {
    const nest = new Nest(t);
    await daemonized(nest, ['nobody']);
    const file = `${nest.directory}/privileged`;
    assert.equal(readFileSync(file, 'utf8'), Array(4).fill(NOBODY).join(' '));
    assert.equal(statSync(file).uid, 0);
  },
);

test('the pidfile goes with a daemon that owns its directory', needsRoot, async (t) => {
  const nest = new Nest(t);
  chownSync(nest.directory, NOBODY, NOBODY);
  await daemonized(nest, ['nobody']);
  await until(
    'the pidfile is gone',
    () => statSync(nest.pidfile, { throwIfNoEntry: false }) === undefined,
  );
});
