// `daemonkit` stop, restart, reload, status: the right process or none.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { Pidfile } from 'daemonkit';
import { daemonkit, writeApp } from './tools/cli.js';
import { Nest, until } from './tools/daemons.js';
import { needsRoot } from './tools/needs.js';
import { stat } from './tools/proc.js';

const FILE = ['--pid-file', 'd.pid'];

/** What status answers: its exit code and its state. */
async function statusOf(nest: Nest): Promise<[number | null, string]> {
  const { code, stdout } = await daemonkit(nest, ['status', '--json', ...FILE]);
  return [code, JSON.parse(stdout).state];
}

async function started(nest: Nest, source: string): Promise<number> {
  writeApp(nest, 'app.cjs', source);
  const ran = await daemonkit(nest, ['start', ...FILE, '--log', nest.log, 'app.cjs']);
  assert.deepEqual(ran, { code: 0, stdout: '', stderr: '' });
  return nest.pid();
}

async function bystander(t: TestContext): Promise<number> {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  return child.pid as number;
}

const lives = (pid: number) => until(`${pid} lives`, () => stat(pid)[0] === 'S');

test('a life: not running, running, reloaded, restarted, killed, stopped', async (t) => {
  const nest = new Nest(t);
  assert.deepEqual(await statusOf(nest), [3, 'absent']);
  assert.equal((await daemonkit(nest, ['reload', ...FILE])).code, 7);
  const pid = await started(nest, "process.on('SIGHUP', () => console.log('reloaded'));");
  assert.deepEqual(await statusOf(nest), [0, 'running']);
  assert.equal((await daemonkit(nest, ['reload', ...FILE])).code, 0);
  await until('it has reloaded', () => nest.logged() === 'reloaded\n');

  const restart = ['restart', ...FILE, 'app.cjs'];
  assert.deepEqual(await daemonkit(nest, restart), { code: 0, stdout: '', stderr: '' });
  const second = nest.pid();
  assert.notEqual(second, pid);
  assert.deepEqual(nest.processes(), [second]);
  // What is wrong with the new one is found while the old one runs.
  assert.equal((await daemonkit(nest, ['restart', ...FILE, 'none.js'])).code, 100);
  assert.deepEqual(nest.processes(), [second]);

  await nest.end(second, 'SIGKILL');
  assert.deepEqual(await statusOf(nest), [1, 'stale']);
  assert.equal((await daemonkit(nest, ['restart', '--json', ...FILE, 'app.cjs'])).code, 0);
  const { code, stdout } = await daemonkit(nest, ['stop', '--json', ...FILE]);
  const { milliseconds, ...rest } = JSON.parse(stdout);
  const third = rest.pid;
  const path = nest.pidFile;
  const signal = 'SIGTERM';
  const told = { command: 'stop', ok: true, exitCode: 0, path, pid: third, stopped: true, signal };
  assert.deepEqual([code, rest], [0, told]);
  assert.equal(typeof milliseconds, 'number');
  assert.deepEqual(nest.processes(), [], 'it has ended when stop returns');
  assert.deepEqual(await statusOf(nest), [3, 'absent']);
  assert.equal((await daemonkit(nest, ['stop', ...FILE])).stdout, 'not running\n');
});

test('one that does not want to: TERM, then KILL; or it goes on', async (t) => {
  const nest = new Nest(t);
  const pid = await started(nest, "process.on('SIGTERM', () => console.log('no'));");
  const gentle = await daemonkit(nest, ['stop', ...FILE, '--retry', '15/0.2/USR2/0.1']);
  assert.equal(gentle.code, 0, 'USR2 kills it');
  const again = await started(nest, "process.on('SIGTERM', () => console.log('no'));");
  const vain = await daemonkit(nest, ['stop', ...FILE, '--retry', 'TERM/0.2']);
  assert.deepEqual([vain.code, vain.stdout], [1, '']);
  assert.equal(vain.stderr, `daemonkit: process ${again} goes on after SIGTERM\n`);
  assert.deepEqual(nest.processes(), [again]);
  const hard = await daemonkit(nest, ['stop', ...FILE, '--timeout', '0.2']);
  assert.deepEqual([hard.code, hard.stdout], [0, `process ${again} ended by SIGKILL\n`]);
  assert.equal(existsSync(nest.pidFile), false, 'what it left is removed');
  assert.notEqual(pid, again);
  assert.match(nest.logged(), /^(no\n)+$/);
});

test('a stale file, a number that is another process now: nobody is hit', async (t) => {
  const nest = new Nest(t);
  const other = await bystander(t);
  writeFileSync(nest.pidFile, `${other}\n`);
  assert.deepEqual(await statusOf(nest), [1, 'stale']);
  assert.equal((await daemonkit(nest, ['reload', ...FILE, '--signal', 'KILL'])).code, 7);
  assert.equal((await daemonkit(nest, ['stop', ...FILE, '--retry', 'KILL/5'])).code, 0);
  assert.equal(existsSync(nest.pidFile), false);
  await lives(other);
});

test('a file that is held, but by another than it names: exit code 4', async (t) => {
  const nest = new Nest(t);
  const other = await bystander(t);
  const pidfile = Pidfile.open(nest.pidFile);
  pidfile.write(other);
  writeApp(nest, 'app.cjs', '');
  assert.deepEqual(await statusOf(nest), [4, 'unknown']);
  for (const command of [['stop'], ['reload'], ['restart', 'app.cjs']]) {
    const [name = '', ...app] = command;
    const { code, stderr } = await daemonkit(nest, [name, ...FILE, ...app]);
    assert.equal(code, 4);
    assert.match(stderr, /ESTALE: a process holds the pidfile, which names \d+/);
  }
  await lives(other);
  assert.equal(readFileSync(nest.pidFile, 'utf8'), `${other}\n`);
  pidfile.remove();
});

test('a pidfile that a user has forged is refused to root', needsRoot, async (t) => {
  const nest = new Nest(t);
  const other = await bystander(t);
  writeFileSync(nest.pidFile, `${other}\n`);
  chownSync(nest.pidFile, 65534, 65534);
  assert.deepEqual(await statusOf(nest), [4, 'unknown']);
  for (const command of ['stop', 'reload']) {
    const { code, stderr } = await daemonkit(nest, [command, ...FILE]);
    assert.equal(code, 111);
    assert.match(stderr, /EPERM: refused to root: the file belongs to user 65534/);
  }
  await lives(other);
});

test('an ordinary user stops its own daemon, and sees that of root', needsRoot, async (t) => {
  const nest = new Nest(t);
  chmodSync(nest.directory, 0o755);
  const pid = await started(nest, '');
  const under = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
  const seen = await daemonkit(nest, ['status', ...FILE], { under });
  assert.equal(seen.code, 0, seen.stdout);
  const refused = await daemonkit(nest, ['stop', ...FILE], { under });
  assert.equal(refused.code, 111);
  assert.match(refused.stderr, /EPERM/);
  assert.deepEqual(nest.processes(), [pid]);
  await nest.end(pid);

  chownSync(nest.directory, 65534, 65534);
  const env = { XDG_RUNTIME_DIR: nest.directory };
  const own = await daemonkit(nest, ['start', '--name', 'd', 'app.cjs'], { under, env });
  assert.deepEqual(own, { code: 0, stdout: '', stderr: '' });
  const mine = nest.pid();
  const stopped = await daemonkit(nest, ['stop', '--name', 'd'], { under, env });
  assert.deepEqual(stopped.stdout, `process ${mine} ended by SIGTERM\n`);
});

test('while it starts, stop waits for it', async (t) => {
  const nest = new Nest(t);
  writeApp(nest, 'app.cjs', '');
  const pidfile = Pidfile.open(nest.pidFile);
  const timer = setTimeout(() => pidfile.remove(), 300);
  t.after(() => clearTimeout(timer));
  const { code, stdout } = await daemonkit(nest, ['stop', ...FILE]);
  assert.deepEqual([code, stdout], [0, 'not running\n']);
});
