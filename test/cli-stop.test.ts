// `daemonkit` stop, restart, reload, status: the right process or none.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Pidfile } from 'daemonkit';
import { daemonkit, starts, writeApp } from './tools/cli.js';
import { lives, Nest, until } from './tools/daemons.js';
import { needs, needsRoot } from './tools/needs.js';

const FILE = ['--pidfile', 'd.pid'];

/** What status answers: its exit code and its state. */
async function statusOf(nest: Nest): Promise<[number | null, string]> {
  const { code, stdout } = await daemonkit(nest, ['status', '--json', ...FILE]);
  return [code, JSON.parse(stdout).state];
}

async function started(nest: Nest, source: string): Promise<number> {
  writeApp(nest, 'app.cjs', source);
  return starts(nest, ['start', ...FILE, '--log', nest.log, 'app.cjs']);
}

async function bystander(t: TestContext): Promise<number> {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  return child.pid as number;
}

test('a life: not running, running, reloaded, restarted, killed, stopped', async (t) => {
  const nest = new Nest(t);
  assert.deepEqual(await statusOf(nest), [3, 'absent']);
  assert.equal((await daemonkit(nest, ['reload', ...FILE])).code, 7);
  const pid = await started(nest, "process.on('SIGHUP', () => console.log('reloaded'));");
  assert.deepEqual(await statusOf(nest), [0, 'running']);
  assert.equal((await daemonkit(nest, ['reload', ...FILE])).code, 0);
  await until('it has reloaded', () => nest.logged() === 'reloaded\n');

  const restart = ['restart', ...FILE, 'app.cjs'];
  const second = await starts(nest, restart);
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
  const path = nest.pidfile;
  const signal = 'SIGTERM';
  const told = { command: 'stop', ok: true, exitCode: 0, path, pid: third, stopped: true, signal };
  assert.deepEqual([code, rest], [0, told]);
  assert.equal(typeof milliseconds, 'number');
  assert.deepEqual(nest.processes(), [], 'it has ended when stop returns');
  assert.deepEqual(await statusOf(nest), [3, 'absent']);
  assert.equal((await daemonkit(nest, ['stop', ...FILE])).stdout, 'not running\n');
});

/** A command that must leave the daemon as it is. */
async function spares(nest: Nest, pid: number, args: string[], code: number, words: RegExp) {
  const ran = await daemonkit(nest, args);
  assert.match(ran.stderr, words, args.join(' '));
  assert.deepEqual([ran.code, ran.stdout, nest.processes()], [code, '', [pid]]);
}

test('reload: no signal that the application has no handler for', async (t) => {
  const nest = new Nest(t);
  const pid = await started(nest, "process.on('SIGUSR2', () => console.log('two'));");
  const signal = (name: string) => ['reload', ...FILE, '--signal', name];
  const nothing = 'nothing was sent\n$';
  const hup = new RegExp(
    `process ${pid} has no handler for SIGHUP, which would end it: ${nothing}`,
  );
  await spares(nest, pid, ['reload', ...FILE], 3, hup);
  await spares(nest, pid, signal('KILL'), 3, /SIGKILL, which would end it/);
  await spares(nest, pid, signal('STOP'), 3, /SIGSTOP, which would stop it/);
  await spares(nest, pid, signal('PIPE'), 3, new RegExp(`ignores SIGPIPE: ${nothing}`));
  const json = await daemonkit(nest, ['reload', '--json', ...FILE]);
  const told = { command: 'reload', ok: false, exitCode: 3, path: nest.pidfile, pid };
  assert.deepEqual(JSON.parse(json.stdout), { ...told, signal: 'SIGHUP' });
  assert.equal((await daemonkit(nest, signal('USR2'))).code, 0);
  await until('it has got it', () => nest.logged() === 'two\n');
});

for (const strategy of ['fork', 'reexec']) {
  test(`${strategy}: one that is not ready yet is not reloaded, but can be stopped`, async (t) => {
    const nest = new Nest(t);
    const handle = "process.on('SIGHUP', () => console.log('hup')); console.log('loaded');";
    writeApp(nest, 'app.mjs', `${handle} await new Promise(() => {});`);
    const options = [...FILE, '--log', nest.log, '--strategy', strategy];
    const launched = daemonkit(nest, ['start', ...options, 'app.mjs']);
    await until('it is loading', () => existsSync(nest.log) && nest.logged() === 'loaded\n');
    const early = await daemonkit(nest, ['reload', ...FILE]);
    assert.match(
      early.stderr,
      /process \d+ is still starting, and not ready yet: nothing was sent/,
    );
    const seen = await daemonkit(nest, ['status', ...FILE]);
    assert.match(seen.stdout, /^running as process \d+ since .*, not ready yet\n$/);
    const { ready } = JSON.parse((await daemonkit(nest, ['status', '--json', ...FILE])).stdout);
    assert.deepEqual([early.code, seen.code, ready], [1, 0, false]);
    assert.equal((await daemonkit(nest, ['stop', ...FILE])).code, 0);
    assert.equal((await launched).code, 143);
    assert.deepEqual([nest.logged(), nest.processes()], ['loaded\n', []]);
  });
}

test('restart: all that can be wrong is found while the old one runs', async (t) => {
  const nest = new Nest(t);
  const pid = await started(nest, '');
  writeApp(nest, 'syntax.cjs', 'let x = ;');
  writeApp(nest, 'syntax.mjs', 'export let x = ;');
  writeApp(nest, 'esm.js', 'export {}; let x = ;');
  const goes = `\nnothing was changed: process ${pid} still runs\n$`;
  const cases: [args: string[], code: number, words: RegExp][] = [
    [['--user', 'nosuch', 'app.cjs'], 111, new RegExp(`no such user: nosuch, .*${goes}`)],
    [['--log', 'no/log', 'app.cjs'], 111, new RegExp(`step stdio: ENOENT.*(\\n.*)*${goes}`)],
    [['--cwd', 'no', 'app.cjs'], 111, new RegExp(`step chdir: ENOENT.*(\\n.*)*${goes}`)],
    [['syntax.cjs'], 1, /cannot run: .*syntax\.cjs:2\nlet x = ;\n +\^\n(.*\n)*SyntaxError/],
    [['syntax.mjs'], 1, /cannot run: .*syntax\.mjs:3\nexport let x = ;\n(.*\n)*SyntaxError/],
    [['esm.js'], 1, /cannot run: .*esm\.js:2\n(.*\n)*SyntaxError/],
    [['--listen', '65536', 'app.cjs'], 100, /--listen: '65536' is not/],
    [['--retry', 'X', 'app.cjs'], 100, /--retry/],
    [['--env', '1', 'app.cjs'], 100, /--env/],
    [['none.js'], 100, /there is no application/],
  ];
  for (const [args, code, words] of cases) {
    await spares(nest, pid, ['restart', ...FILE, ...args], code, words);
  }
  const json = ['restart', '--json', ...FILE, '--user', 'nosuch', 'app.cjs'];
  assert.equal(JSON.parse((await daemonkit(nest, json)).stdout).running, pid);
});

test('restart: an application that the user may not read', needs('root', 'setpriv'), async (t) => {
  const nest = new Nest(t);
  chmodSync(nest.directory, 0o755);
  const pid = await started(nest, '');
  chmodSync(writeApp(nest, 'secret.cjs', ''), 0o600);
  const args = ['restart', ...FILE, '--user', 'nobody', 'secret.cjs'];
  await spares(
    nest,
    pid,
    args,
    111,
    /EACCES: the application cannot be loaded: user nobody may not read it, open/,
  );
});

test('a pidfile that was removed, with its directory or without: found all the same', async (t) => {
  const nest = new Nest(t);
  writeApp(nest, 'app.cjs', "process.on('SIGHUP', () => console.log('hup'))");
  const directory = join(nest.directory, 'run');
  const file = ['--pidfile', 'run/d.pid'];
  for (const remove of [`${directory}/d.pid`, directory]) {
    mkdirSync(directory, { recursive: true });
    const pid = await starts(nest, ['start', ...file, '--log', nest.log, 'app.cjs']);
    rmSync(remove, { recursive: true });
    const { code, stdout } = await daemonkit(nest, ['status', ...file]);
    assert.equal(code, 0);
    assert.match(
      stdout,
      new RegExp(`^running as process ${pid} .*; its pidfile .*d.pid was removed`),
    );
    assert.equal((await daemonkit(nest, ['reload', ...file])).code, 0);
    const stopped = await daemonkit(nest, ['stop', ...file]);
    assert.deepEqual([stopped.code, stopped.stdout], [0, `process ${pid} ended by SIGTERM\n`]);
    assert.deepEqual(nest.processes(), []);
  }
  // The directory does not exist. It may have been moved with a daemon's file, so the state is
  // unknown.
  const unknown = /ENOENT: there is no directory .*run, so it is not known whether the daemon runs/;
  for (const command of ['stop', 'reload']) {
    const { code, stderr } = await daemonkit(nest, [command, ...file]);
    assert.match(stderr, unknown);
    assert.equal(code, 4);
  }
  const { code, stdout } = await daemonkit(nest, ['status', ...file]);
  assert.match(stdout, /^unknown: ENOENT: there is no directory/);
  assert.equal(code, 4);
});

test('one that does not want to: TERM, then KILL; or it goes on', async (t) => {
  const nest = new Nest(t);
  const pid = await started(nest, "process.on('SIGTERM', () => console.log('no'));");
  const gentle = await daemonkit(nest, ['stop', ...FILE, '--retry', '15/0.2/USR2/30']);
  assert.equal(gentle.code, 0, 'USR2 kills it');
  const again = await started(nest, "process.on('SIGTERM', () => console.log('no'));");
  const vain = await daemonkit(nest, ['stop', ...FILE, '--retry', 'TERM/0.2']);
  assert.deepEqual([vain.code, vain.stdout], [1, '']);
  assert.equal(vain.stderr, `daemonkit: process ${again} still runs after SIGTERM\n`);
  assert.deepEqual(nest.processes(), [again]);
  const restart = await daemonkit(nest, ['restart', ...FILE, '--retry', 'TERM/0.2', 'app.cjs']);
  assert.deepEqual(restart, vain, 'nothing is started beside it');
  const hard = await daemonkit(nest, ['stop', ...FILE, '--timeout', '0.2']);
  assert.deepEqual([hard.code, hard.stdout], [0, `process ${again} ended by SIGKILL\n`]);
  assert.equal(existsSync(nest.pidfile), false, 'what it left is removed');
  assert.notEqual(pid, again);
  assert.match(nest.logged(), /^(no\n)+$/);
});

test('a stale file, a number that is another process now: nobody is hit', async (t) => {
  const nest = new Nest(t);
  const other = await bystander(t);
  writeFileSync(nest.pidfile, `${other}\n`);
  assert.deepEqual(await statusOf(nest), [1, 'stale']);
  assert.equal((await daemonkit(nest, ['reload', ...FILE, '--signal', 'KILL'])).code, 7);
  assert.equal((await daemonkit(nest, ['stop', ...FILE, '--retry', 'KILL/5'])).code, 0);
  assert.equal(existsSync(nest.pidfile), false);
  await lives(other);
});

test('a file that is held, but by another than it names: exit code 4', async (t) => {
  const nest = new Nest(t);
  const other = await bystander(t);
  const pidfile = Pidfile.open(nest.pidfile);
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
  assert.equal(readFileSync(nest.pidfile, 'utf8'), `${other}\n`);
  pidfile.remove();
});

test('a pidfile that a user has forged is refused to root', needsRoot, async (t) => {
  const nest = new Nest(t);
  const other = await bystander(t);
  writeFileSync(nest.pidfile, `${other}\n`);
  chownSync(nest.pidfile, 65534, 65534);
  assert.deepEqual(await statusOf(nest), [4, 'unknown']);
  for (const command of ['stop', 'reload']) {
    const { code, stderr } = await daemonkit(nest, [command, ...FILE]);
    assert.equal(code, 111);
    assert.match(stderr, /EPERM: refused to root: the file belongs to user 65534/);
  }
  await lives(other);
});

test(
  'an ordinary user stops its own daemon, and sees that of root',
  needs('root', 'setpriv'),
  async (t) => {
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
    const mine = await starts(nest, ['start', '--name', 'd', 'app.cjs'], { under, env });
    const stopped = await daemonkit(nest, ['stop', '--name', 'd'], { under, env });
    assert.deepEqual(stopped.stdout, `process ${mine} ended by SIGTERM\n`);
  },
);

test('while it starts, stop waits for it', async (t) => {
  const nest = new Nest(t);
  writeApp(nest, 'app.cjs', '');
  const pidfile = Pidfile.open(nest.pidfile);
  const timer = setTimeout(() => pidfile.remove(), 300);
  t.after(() => clearTimeout(timer));
  const { code, stdout } = await daemonkit(nest, ['stop', ...FILE]);
  assert.deepEqual([code, stdout], [0, 'not running\n']);
});
