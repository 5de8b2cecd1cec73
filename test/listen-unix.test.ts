// Unix domain sockets in the file system: files that were left behind, permissions, whose file it is.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { listeningSocket } from 'daemonkit';
import { until } from './tools/daemons.js';
import { Grouped } from './tools/grouped.js';
import { scratch } from './tools/scratch.js';
import { linesOf, scriptCommand } from './tools/script.js';

/** The file of a socket whose server was killed stays. */
function leaveStale(path: string): number {
  closeSync(listeningSocket({ path }));
  return lstatSync(path).ino;
}

const inUse = (path: string) => ({ code: 'EADDRINUSE', syscall: 'listen', path });

async function answers(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

test('a stale socket file is replaced; of a live one, and of what is no socket, nothing is touched', async (t) => {
  const folder = scratch(t);
  const path = join(folder, 's');
  leaveStale(path);
  assert.equal(await answers(path), false);
  const fd = listeningSocket({ path });
  t.after(() => closeSync(fd));
  assert.equal(await answers(path), true);
  const { ino } = lstatSync(path);
  assert.throws(() => listeningSocket({ path }), inUse(path));
  assert.equal(lstatSync(path).ino, ino);

  const link = join(folder, 'link');
  const stale = join(folder, 'stale');
  const left = leaveStale(stale);
  symlinkSync(stale, link);
  const [file, directory] = [join(folder, 'file'), join(folder, 'directory')];
  writeFileSync(file, 'precious');
  mkdirSync(directory);
  for (const other of [link, file, directory]) {
    assert.throws(() => listeningSocket({ path: other }), inUse(other));
  }
  assert.equal(readlinkSync(link), stale);
  assert.equal(lstatSync(stale).ino, left);
});

test('of programs that start at once where a stale file is, one gets the socket', async (t) => {
  const path = join(scratch(t), 's');
  const source = `while (!fs.existsSync(process.argv[1] + '.go'));
    try {
      daemonkit.listeningSocket({ path: process.argv[1] });
      fs.writeSync(1, 'mine ');
    } catch ({ code }) {
      fs.writeSync(1, code + ' ');
    }
    await new Promise((resolve) => process.stdin.on('end', resolve).resume());`;
  for (let round = 0; round < 2; round++) {
    leaveStale(path);
    const [node = '', ...args] = scriptCommand(source);
    const stdio = ['pipe', 'pipe', 'inherit'] as ['pipe', 'pipe', 'inherit'];
    const starters = Array.from({ length: 4 }, () => spawn(node, [...args, path], { stdio }));
    t.after(() => starters.forEach((starter) => void starter.kill('SIGKILL')));
    let said = '';
    for (const { stdout } of starters) {
      stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    }
    writeFileSync(`${path}.go`, '');
    await until(`all have tried: ${said}`, () => said.split(' ').length === 5);
    assert.deepEqual(said.trim().split(' ').toSorted(), [
      ...new Array(3).fill('EADDRINUSE'),
      'mine',
    ]);
    assert.equal(await answers(path), true);
    for (const { stdin } of starters) stdin.end();
    await Promise.all(starters.map((starter) => once(starter, 'close')));
  }
});

test('permissions: mode exactly, and those for all besides', (t) => {
  const folder = scratch(t);
  let made = 0;
  const modeOf = (options: object) => {
    const path = join(folder, `s${made++}`);
    closeSync(listeningSocket({ path, ...options }));
    return (statSync(path).mode & 0o777).toString(8);
  };
  const before = process.umask(0o027);
  try {
    assert.equal(modeOf({}), '750');
    assert.equal(modeOf({ mode: 0o666 }), '666');
    assert.equal(modeOf({ mode: 0 }), '0');
    assert.equal(modeOf({ mode: 0o600, readableAll: true }), '644');
    assert.equal(modeOf({ mode: 0o600, writableAll: true }), '622');
    assert.equal(modeOf({ readableAll: true, writableAll: true }), '776');
    // Taken over, not inherited from the file that was there.
    const path = join(folder, 'stale');
    closeSync(listeningSocket({ path, mode: 0o777 }));
    closeSync(listeningSocket({ path, mode: 0o660 }));
    assert.equal((statSync(path).mode & 0o777).toString(8), '660');
  } finally {
    process.umask(before);
  }
});

test('the options of paths are checked', () => {
  const type = { code: 'ERR_INVALID_ARG_TYPE' };
  const range = { code: 'ERR_OUT_OF_RANGE' };
  const value = { code: 'ERR_INVALID_ARG_VALUE' };
  const wrong: [object, object][] = [
    [{ path: '/x', mode: '0600' }, type],
    [{ path: '/x', mode: 0o1000 }, range],
    [{ path: '/x', mode: -1 }, range],
    [{ path: '/x', readableAll: 1 }, type],
    [{ path: '/x', writableAll: 'yes' }, type],
    [{ port: 0, mode: 0o600 }, value],
    [{ port: 0, readableAll: true }, value],
    [{ port: 0, writableAll: false }, value],
  ];
  for (const [options, error] of wrong) {
    assert.throws(() => listeningSocket(options as never), error, JSON.stringify(options));
  }
});

test('a relative path is that of then, wherever the master is when it ends', (t) => {
  const [said] = linesOf<unknown[]>(
    `process.chdir(process.argv[1]);
    const master = daemonkit.prefork({ listen: { path: 's' }, workers: 1, onWorkerStart() {} });
    process.chdir('/');
    await master.ready;
    const before = fs.existsSync(process.argv[1] + '/s');
    await master.stop();
    fs.writeSync(1, JSON.stringify([before, fs.existsSync(process.argv[1] + '/s')]));`,
    { args: [scratch(t)] },
  );
  assert.deepEqual(said, [true, false]);
});

test('a killed master leaves its file, the next one takes it; what is not its own any more stays', async (t) => {
  const path = join(scratch(t), 's');
  const source = `import { createServer } from 'node:http';
    const master = prefork({
      workers: 1,
      listen: { path: process.argv[1], mode: 0o600 },
      server: createServer((_, response) => response.end('x')),
    });
    await master.ready;
    say('ready');
    await master.finished;`;
  const killed = new Grouped(t, source, { args: [path] });
  await killed.hears('ready');
  process.kill(-killed.pid, 'SIGKILL');
  await killed.ended;
  await killed.sweep();
  assert.ok(existsSync(path));

  const next = new Grouped(t, source, { args: [path] });
  await next.hears('ready');
  assert.ok(await answers(path));
  // Another program moves it away and puts another one there.
  renameSync(path, `${path}.moved`);
  const fd = listeningSocket({ path });
  t.after(() => closeSync(fd));
  process.kill(next.pid, 'SIGTERM');
  await next.endsWell();
  assert.ok(await answers(path));
});
