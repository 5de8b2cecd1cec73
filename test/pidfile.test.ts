// The pidfile by itself. With the cases of FreeBSD's lib/libutil/tests/pidfile_test.c: uncontested,
// self, contested, inherited, relative.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Pidfile } from 'daemonkit';
import { scratch } from './tools/scratch.js';
import { linesOf } from './tools/script.js';

interface Contender {
  child: ChildProcess;
  said: { held?: number; code?: string; syscall?: string; path?: string; pid?: number };
}

/** Another process that tries to take the pidfile; it holds it until its input ends. */
async function contend(t: TestContext, path: string): Promise<Contender> {
  const program = fileURLToPath(new URL('fixtures/pidfile.js', import.meta.url));
  const stdio = ['pipe', 'pipe', 'inherit'] as ['pipe', 'pipe', 'inherit'];
  const child = spawn(process.execPath, [program, path], { stdio });
  t.after(() => child.kill('SIGKILL'));
  const [line] = await once(createInterface(child.stdout), 'line');
  return { child, said: JSON.parse(line) };
}

test('it is created locked, holds the pid and a newline, and is removed', (t) => {
  const path = join(scratch(t), 'd.pid');
  const pidfile = Pidfile.open(path);
  assert.equal(readFileSync(path, 'utf8'), '');
  assert.equal(statSync(path).mode & 0o777, 0o644 & ~process.umask());
  pidfile.write();
  assert.equal(readFileSync(path, 'utf8'), `${process.pid}\n`);
  pidfile.write(7);
  assert.equal(readFileSync(path, 'utf8'), '7\n');
  assert.equal(pidfile.remove(), true);
  assert.equal(existsSync(path), false);
  assert.equal(pidfile.remove(), false);
});

test('a second process learns who holds it, and leaves the file intact', async (t) => {
  const path = join(scratch(t), 'd.pid');
  const first = await contend(t, path);
  assert.equal(first.said.held, first.child.pid);
  const second = await contend(t, path);
  assert.deepEqual(second.said, {
    code: 'EEXIST',
    syscall: 'flock',
    path,
    pid: first.child.pid,
  });
  assert.equal(readFileSync(path, 'utf8'), `${first.child.pid}\n`);
  assert.throws(() => Pidfile.open(path), {
    code: 'EEXIST',
    errno: -17,
    pid: first.child.pid,
    message: `EEXIST: already running as process ${first.child.pid}, flock '${path}'`,
  });
  first.child.stdin?.end();
  await once(first.child, 'exit');
  assert.equal(existsSync(path), false);
});

test('our own second try is a rival too', (t) => {
  const path = join(scratch(t), 'd.pid');
  const pidfile = Pidfile.open(path);
  pidfile.write();
  assert.throws(() => Pidfile.open(path), { code: 'EEXIST', pid: process.pid });
  pidfile.remove();
  Pidfile.open(path).remove();
});

test('a killed owner leaves a file that stops nobody, whatever is in it', async (t) => {
  const path = join(scratch(t), 'd.pid');
  const { child } = await contend(t, path);
  child.kill('SIGKILL');
  await once(child, 'exit');
  for (const left of [`${child.pid}\n`, '1\n', '', 'not a pid, and longer than one']) {
    writeFileSync(path, left);
    const pidfile = Pidfile.open(path);
    pidfile.write();
    assert.equal(readFileSync(path, 'utf8'), `${process.pid}\n`);
    pidfile.close();
  }
});

test('a rival that has written nothing is waited for, then EAGAIN', (t) => {
  const path = join(scratch(t), 'd.pid');
  const pidfile = Pidfile.open(path);
  const start = performance.now();
  assert.throws(() => Pidfile.open(path), { code: 'EAGAIN', errno: -11, syscall: 'flock', path });
  const waited = performance.now() - start;
  assert.ok(waited >= 14, `waited ${waited} ms only`);
  // As others write it, without the newline.
  writeFileSync(path, '4711');
  assert.throws(() => Pidfile.open(path), { code: 'EEXIST', pid: 4711 });
  pidfile.remove();
});

test('a file that was replaced or removed is neither written nor removed', (t) => {
  const path = join(scratch(t), 'd.pid');
  const stale = { code: 'ESTALE', syscall: 'fstat', path };
  const first = Pidfile.open(path);
  renameSync(path, `${path}.old`);
  assert.throws(() => first.write(), stale);
  const second = Pidfile.open(path);
  second.write();
  assert.throws(() => first.write(), stale);
  assert.equal(first.remove(), false);
  assert.equal(readFileSync(path, 'utf8'), `${process.pid}\n`);
  assert.equal(readFileSync(`${path}.old`, 'utf8'), '');
  rmSync(path);
  assert.throws(() => second.write(), stale);
  assert.equal(second.remove(), false);
});

test('a missing directory is an error at once', (t) => {
  const path = join(scratch(t), 'missing', 'd.pid');
  assert.throws(() => Pidfile.open(path), { code: 'ENOENT', syscall: 'open', path });
});

test('whoever inherited the file holds the lock on', async (t) => {
  const path = join(scratch(t), 'd.pid');
  const pidfile = Pidfile.open(path);
  pidfile.write();
  const heir = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', pidfile.fd] });
  t.after(() => heir.kill('SIGKILL'));
  await once(heir, 'spawn');
  pidfile.close();
  assert.throws(() => Pidfile.open(path), { code: 'EEXIST', pid: process.pid });
  heir.kill('SIGKILL');
  await once(heir, 'exit');
  Pidfile.open(path).remove();
});

test('a descriptor of it is closed after every kind of failure', (t) => {
  const path = join(scratch(t), 'd.pid');
  const pidfile = Pidfile.open(path);
  const lowestFree = () => {
    const probe = Pidfile.open(`${path}.probe`);
    const { fd } = probe;
    probe.remove();
    return fd;
  };
  const before = lowestFree();
  assert.throws(() => Pidfile.open(path), { code: 'EAGAIN' });
  pidfile.write();
  assert.throws(() => Pidfile.open(path), { code: 'EEXIST' });
  assert.equal(lowestFree(), before);
  closeSync(pidfile.fd);
});

test('relative: from the directory of then, whatever comes later', (t) => {
  const said = linesOf(
    `process.chdir(process.argv[1]);
    const pidfile = daemonkit.Pidfile.open('d.pid');
    process.chdir('/');
    pidfile.write();
    const there = fs.readFileSync(pidfile.path, 'utf8') === process.pid + '\\n';
    fs.writeSync(1, JSON.stringify([pidfile.path, there, pidfile.remove(), fs.existsSync('d.pid')]));`,
    { args: [scratch(t)] },
  );
  const [[path, ...rest] = []] = said as [string, ...boolean[]][];
  assert.match(path ?? '', /^\/.*\/d\.pid$/);
  assert.deepEqual(rest, [true, true, false]);
});

test('a fork of the holder removes nothing; one that has written its pid removes its own', (t) => {
  const [said] = linesOf(
    `const path = process.argv[1] + '/d.pid';
    const pidfile = daemonkit.Pidfile.open(path);
    const inFork = (act) => {
      const child = daemonkit.fork();
      if (child === 0) daemonkit._exit(act() ? 1 : 0);
      return daemonkit.waitpid(child).exitCode;
    };
    const empty = [inFork(() => pidfile.remove()), fs.existsSync(path)];
    pidfile.write();
    // As the 'exit' listener of the documentation's example, which a fork has too.
    const named = [inFork(() => pidfile.remove()), fs.readFileSync(path, 'utf8') === process.pid + '\\n'];
    const state = daemonkit.pidfileRead(path).state;
    const own = [inFork(() => { pidfile.write(); return pidfile.remove(); }), fs.existsSync(path)];
    fs.writeSync(1, JSON.stringify({ empty, named, state, own }));`,
    { args: [scratch(t)] },
  );
  assert.deepEqual(said, { empty: [0, true], named: [0, true], state: 'running', own: [1, false] });
});

test('inherited: a forked child holds it when the parent has closed it', (t) => {
  const said = linesOf(
    `const path = process.argv[1] + '/d.pid';
    const pidfile = daemonkit.Pidfile.open(path);
    const child = daemonkit.fork();
    if (child === 0) {
      pidfile.write();
      fs.mkdirSync(path + '.written');
      while (!fs.existsSync(path + '.over'));
      daemonkit._exit(0);
    }
    pidfile.close();
    while (!fs.existsSync(path + '.written'));
    const attempt = () => {
      try { daemonkit.Pidfile.open(path).remove(); } catch ({ code, pid }) { return [code, pid === child]; }
    };
    const during = attempt();
    fs.mkdirSync(path + '.over');
    daemonkit.waitpid(child);
    fs.writeSync(1, JSON.stringify([during, attempt() ?? 'free']));`,
    { args: [scratch(t)] },
  );
  assert.deepEqual(said, [[['EEXIST', true], 'free']]);
});

test('arguments are checked first', () => {
  const type = { code: 'ERR_INVALID_ARG_TYPE' };
  assert.throws(() => Pidfile.open(1 as never), type);
  assert.throws(() => Reflect.construct(Pidfile, ['/nowhere/x', 9]), {
    name: 'TypeError',
    code: 'ERR_ILLEGAL_CONSTRUCTOR',
  });
  assert.throws(() => Pidfile.open(''), { code: 'ERR_INVALID_ARG_VALUE' });
  assert.throws(() => Pidfile.open('/nowhere/x', 0o1000), { code: 'ERR_OUT_OF_RANGE' });
});
