// `daemonkit start`: what it is called and where its pidfile is, its environment, and where it begins.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { daemonkit, starts, writeApp } from './tools/cli.js';
import { container, needsContainer } from './tools/container.js';
import { Nest } from './tools/daemons.js';
import { needs } from './tools/needs.js';
import { status } from './tools/proc.js';

const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

test(
  'without a name it gets that of its file, so that a command can stop it',
  needs('root', 'setpriv'),
  async (t) => {
    const nest = new Nest(t);
    const name = `daemonkit-${randomUUID()}`;
    mkdirSync(join(nest.directory, name));
    writeApp(nest, `${name}/index.js`, '');
    writeApp(nest, `${name}.cjs`, '');
    const started = await daemonkit(nest, ['start', name]);
    const [pid] = nest.processes();
    const line = `started ${name}: process ${pid}, pidfile /run/${name}.pid\n`;
    assert.deepEqual(started, { code: 0, stdout: line, stderr: '' });
    const second = await daemonkit(nest, ['start', `${name}.cjs`]);
    assert.equal(second.code, 1);
    assert.match(
      second.stderr,
      /already running as process .*\n.*give --name or --pidfile to start/,
    );
    const restarted = await starts(nest, ['restart', `${name}.cjs`]);
    assert.deepEqual(nest.processes(), [restarted]);
    const plan = await daemonkit(nest, ['plan', `${name}.cjs`]);
    assert.match(plan.stdout, new RegExp(`lock /run/${name}.pid .*\\n +NOT MET: .*${restarted}`));
    assert.equal((await daemonkit(nest, ['stop', '--name', name])).code, 0);
    assert.deepEqual([nest.processes(), existsSync(`/run/${name}.pid`)], [[], false]);
  },
);

test(
  'the same for an ordinary user, who needs a place for it',
  needs('root', 'setpriv'),
  async (t) => {
    const nest = new Nest(t);
    chmodSync(nest.directory, 0o755);
    writeApp(nest, 'app.cjs', '');
    mkdirSync(join(nest.directory, 'run'));
    chownSync(join(nest.directory, 'run'), 65534, 65534);
    const under = AS_NOBODY;
    const env = { XDG_RUNTIME_DIR: join(nest.directory, 'run') };
    const pid = await starts(nest, ['start', 'app.cjs'], { under, env });
    assert.equal(readFileSync(join(nest.directory, 'run/app.pid'), 'utf8'), `${pid}\n`);
    const stopped = await daemonkit(nest, ['stop', '--name', 'app'], { under, env });
    assert.deepEqual([stopped.code, nest.processes()], [0, []]);
    const nowhere = await daemonkit(nest, ['start', 'app.cjs'], {
      under,
      env: { XDG_RUNTIME_DIR: '' },
    });
    assert.deepEqual([nowhere.code, nowhere.stdout, nest.processes()], [100, '', []]);
    assert.match(
      nowhere.stderr,
      /no place for a pidfile, as XDG_RUNTIME_DIR is not set: give --pidfile/,
    );
  },
);

test('--json: one line, however much the application says', async (t) => {
  const nest = new Nest(t);
  writeApp(nest, 'loud.mjs', "for (let i = 0; i < 2048; i++) console.error('x'.repeat(1023));");
  const loud = ['--json', '--pidfile', 'd.pid', '--log', nest.log];
  for (const command of ['start', 'restart']) {
    const { code, stdout, stderr } = await daemonkit(nest, [command, ...loud, 'loud.mjs']);
    const named = { name: 'loud', path: nest.pidfile, pid: nest.pid() };
    assert.deepEqual(JSON.parse(stdout), { command, ok: true, exitCode: 0, ...named });
    assert.deepEqual([code, stdout.match(/\n/g)?.length], [0, 1]);
    assert.equal(stderr.length, 2 ** 21);
  }
  await nest.end(nest.pid());
  writeApp(nest, 'fails.mjs', "throw new Error('no luck');");
  const { code, stdout, stderr } = await daemonkit(nest, ['start', ...loud, 'fails.mjs']);
  const { message, ...told } = JSON.parse(stdout);
  const named = { name: 'fails', path: nest.pidfile };
  assert.deepEqual(told, { command: 'start', ok: false, exitCode: 1, ...named });
  assert.match(message, /exited with code 1 before it was ready/);
  assert.match(stderr, /Error: no luck/);
  assert.equal(code, 1);
});

test('not ready in time: by what it waited for', async (t) => {
  const nest = new Nest(t);
  writeApp(nest, 'never.mjs', 'await new Promise(() => {});');
  writeApp(nest, 'app.cjs', '');
  const start = ['start', '--pidfile', 'd.pid', '--timeout', '0.6'];
  const never = await daemonkit(nest, [...start, 'never.mjs']);
  assert.match(
    never.stderr,
    /within 600 ms, and was ended \(--ready import, but \S+never\.mjs had not/,
  );
  const manual = await daemonkit(nest, [...start, '--ready', 'manual', 'app.cjs']);
  assert.match(
    manual.stderr,
    /\(--ready manual, but currentDaemon\(\)\.ready\(\) was never called\)/,
  );
  assert.deepEqual([never.code, manual.code, nest.processes()], [1, 1, []]);
});

test('--env, --no-new-privileges', async (t) => {
  const nest = new Nest(t);
  writeApp(nest, 'app.cjs', 'console.log(process.env.A, process.env.B, process.env.TERM)');
  const set = ['--env', 'A=1=2', '--env=B=', '--no-new-privileges'];
  const files = ['--pidfile', 'd.pid', '--log', nest.log];
  const env = { A: 'other', TERM: 'xterm' };
  const pid = await starts(nest, ['start', ...files, ...set, 'app.cjs'], { env });
  assert.equal(nest.logged(), '1=2  undefined\n');
  assert.equal(status(pid).NoNewPrivs, '1');
});

test('a working directory that was removed is named; an absolute path needs none', async (t) => {
  const nest = new Nest(t);
  const app = writeApp(nest, 'app.cjs', '');
  const gone = join(nest.directory, 'gone');
  mkdirSync(gone);
  const under = ['sh', '-c', 'cd "$0" && rmdir "$0" && exec "$@"', gone];
  const start = ['start', '--pidfile', nest.pidfile];
  const pid = await starts(nest, [...start, app], { under });
  assert.deepEqual(nest.processes(), [pid]);
  for (const args of [
    [...start, 'app.cjs'],
    [...start, '--log', 'd.log', app],
    ['status', '--pidfile', 'd.pid'],
  ]) {
    mkdirSync(gone);
    const { code, stdout, stderr } = await daemonkit(nest, args, { under });
    const words = `ENOENT: the working directory, ${gone}, was removed: change to another one, or`;
    assert.ok(stderr.startsWith(`daemonkit: ${words} give an absolute path`), stdout + stderr);
    assert.equal(code, 111);
  }
  assert.throws(() => rmdirSync(gone), { code: 'ENOENT' });
});

test('--detach means it: whatever watches', async (t) => {
  const nest = new Nest(t);
  writeApp(nest, 'app.cjs', 'if (process.ppid === +process.env.STARTER) process.exit(5)');
  const under = ['sh', '-c', 'SYSTEMD_EXEC_PID=$$ exec "$@"', 'sh'];
  const start = ['start', '--pidfile', 'd.pid'];
  const env = { STARTER: `${process.pid}` };
  assert.equal((await daemonkit(nest, [...start, 'app.cjs'], { under, env })).code, 5);
  const pid = await starts(nest, [...start, '--detach', 'app.cjs'], { under, env });
  assert.deepEqual(nest.processes(), [pid]);
});

test('from outside of a container, as docker exec does: it returns', needsContainer, async (t) => {
  const nest = new Nest(t);
  writeApp(nest, 'app.cjs', '');
  // In there: a directory of the mounts outside has no path, as musl's getcwd(3) says, and glibc's does not.
  const cd = ['sh', '-c', 'cd "$0" && exec "$@"', nest.directory];
  const under = [...(await container(t)), ...cd];
  const inside = await starts(nest, ['start', '--pidfile', 'd.pid', 'app.cjs'], { under });
  const [pid = 0] = nest.processes();
  assert.equal(status(pid).NSpid?.split('\t').at(-1), `${inside}`);
  const stopped = await daemonkit(nest, ['stop', '--pidfile', 'd.pid'], { under });
  assert.deepEqual([stopped.code, nest.processes()], [0, []]);
});
