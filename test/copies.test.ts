// Two copies of the package in one process: the command's and the application's, or two versions.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { secondCopy } from './tools/copy.js';
import { until } from './tools/daemons.js';
import { cleanEnvironment } from './tools/environment.js';
import { childrenOf, descriptors, killIfThere, presence } from './tools/proc.js';
import { scratch } from './tools/scratch.js';
import { entry, linesOf } from './tools/script.js';

test('a fork by one runs the hooks of both, in the order of registration', (t) => {
  const said = linesOf<string[]>(
    `const other = await import(process.argv[1]);
    const ran = [];
    const hooks = (name) => ({
      before: () => ran.push('before ' + name),
      parent: () => ran.push('parent ' + name),
      child: () => ran.push('child ' + name),
    });
    daemonkit.atFork(hooks('1'));
    other.atFork(hooks('2'));
    const gone = other.atFork(hooks('gone'));
    gone[Symbol.dispose]();
    for (const { fork, waitpid } of [daemonkit, other]) {
      const pid = fork();
      if (pid === 0) {
        fs.writeSync(1, JSON.stringify(ran) + '\\n');
        daemonkit._exit(0);
      }
      waitpid(pid);
      fs.writeSync(1, JSON.stringify(ran.splice(0)) + '\\n');
    }`,
    { args: [secondCopy(t)] },
  );
  const child = ['before 2', 'before 1', 'child 1', 'child 2'];
  const parent = ['before 2', 'before 1', 'parent 1', 'parent 2'];
  assert.deepEqual(said, [child, parent, child, parent]);
});

test('waits and signal flags of one are the parent’s alone after a fork by the other', (t) => {
  const said = linesOf<unknown[]>(
    `import { once } from 'node:events';
    const other = await import(process.argv[1]);
    const sleeper = other.fork();
    if (sleeper === 0) {
      process.once('SIGTERM', () => process.exit(3));
      setInterval(() => {}, 1000);
      await new Promise(() => {});
    }
    const ended = other.waitpidAsync(sleeper);
    const flag = new other.SignalFlag('SIGUSR2');
    const child = daemonkit.fork();
    if (child === 0) {
      // Neither keeps it alive: nothing is left to wait for.
      process.on('exit', () => fs.writeSync(1, JSON.stringify(['child', flag.raised]) + '\\n'));
      await new Promise((resolve) => setTimeout(resolve, 50));
    } else {
      process.kill(process.pid, 'SIGUSR2');
      await flag.wait();
      const { exitCode } = await daemonkit.waitpidAsync(child);
      process.kill(sleeper, 'SIGTERM');
      const { pid } = await ended;
      fs.writeSync(1, JSON.stringify(['parent', exitCode, pid === sleeper]) + '\\n');
    }`,
    { args: [secondCopy(t)] },
  );
  assert.deepEqual(said, [
    ['child', false],
    ['parent', 0, true],
  ]);
});

test('a copy of another version that a child loads, before its event loop has turned, goes on from there', (t) => {
  const said = linesOf<unknown[]>(
    `const child = daemonkit.fork();
    if (child === 0) {
      const { createRequire } = await import('node:module');
      const other = createRequire(process.argv[1])(process.argv[1]);
      const grandchild = other.fork();
      if (grandchild === 0) {
        await fs.promises.readFile('/etc/passwd');
        daemonkit._exit(daemonkit.forkSupport().live ? 7 : 6);
      }
      other._exit(other.waitpid(grandchild).exitCode);
    }
    console.log(JSON.stringify([daemonkit.waitpid(child).exitCode]));`,
    { args: [fileURLToPath(secondCopy(t))] },
  );
  assert.deepEqual(said, [[7]]);
});

test('copies of one version have one memory of the process: the child of one forks by the other', (t) => {
  const said = linesOf<number[]>(
    `const other = await import(process.argv[1]);
    const codes = [];
    for (const [first, second] of [[daemonkit, other], [other, daemonkit]]) {
      const pid = first.fork();
      if (pid === 0) {
        // Uses the event loop, and its io_uring if there is one.
        await fs.promises.readFile('/etc/passwd');
        const grandchild = second.fork();
        if (grandchild === 0) {
          await fs.promises.readFile('/etc/passwd');
          first._exit(7);
        }
        second._exit(first.waitpid(grandchild).exitCode);
      }
      codes.push(first.waitpid(pid).exitCode);
    }
    console.log(JSON.stringify([...codes, other.fork === daemonkit.fork]));`,
    { args: [secondCopy(t, 'same version')] },
  );
  assert.deepEqual(said, [[7, 7, false]]);
});

test('the command is of one, the application of the other: workers hold neither pidfile nor daemon', async (t) => {
  const folder = scratch(t);
  const [app, pidfile, log] = ['app.mjs', 'pid', 'log'].map((name) => join(folder, name));
  writeFileSync(
    app as string,
    `import { currentDaemon, prefork } from ${JSON.stringify(entry)};
    const master = prefork({
      workers: 1,
      // As they were called before 0.2.
      onWorker() {},
      onExit: ({ exitCode, signal }) => console.log('exit', exitCode, signal),
    });
    await master.ready;
    currentDaemon().ready();
    await master.finished;
    process.exit(0);`,
  );
  const cli = fileURLToPath(new URL('cli/bin.js', secondCopy(t)));
  const command = (verb: string, ...args: string[]) =>
    spawnSync(process.execPath, [cli, verb, '--pidfile', pidfile as string, ...args], {
      encoding: 'utf8',
      env: cleanEnvironment(),
    });
  const started = command('start', '--log', log as string, '--ready', 'manual', app as string);
  assert.equal(started.status, 0, started.stderr);
  const daemon = Number(readFileSync(pidfile as string, 'utf8'));
  const isThere = presence(daemon);
  t.after(() => {
    if (!isThere()) return;
    for (const pid of [...childrenOf(daemon), daemon]) killIfThere(pid);
  });
  const [worker = 0] = childrenOf(daemon);
  const held = Object.values(descriptors(worker));
  assert.ok(!held.includes(pidfile as string), `${held}`);
  process.kill(worker, 'SIGTERM');
  const logged = () => readFileSync(log as string, 'utf8');
  await until('it ends', () => logged() === 'exit 0 null\n');
  await until('another', () => childrenOf(daemon).some((pid) => pid !== worker));
  assert.equal(Number(readFileSync(pidfile as string, 'utf8')), daemon);
  const stopped = command('stop');
  assert.equal(stopped.status, 0, stopped.stderr);
  await until('both have ended in order', () => logged() === 'exit 0 null\nexit 0 null\n');
});
