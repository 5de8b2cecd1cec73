// When a daemon that does not say so itself is ready: errors of what comes after becomeDaemon() reach
// the launcher.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { Nest, until } from './tools/daemons.js';
import { often } from './tools/full.js';
import { Manager } from './tools/manager.js';
import { scratch } from './tools/scratch.js';
import { entry } from './tools/script.js';

type Ready = 'auto' | 'evaluated' | 'detached' | undefined;

/** Runs a program whose main module calls becomeDaemon(), followed by `after`. */
function starts(nest: Nest, ready: Ready, after: string, name = 'app.mjs', more = '') {
  const program = `${nest.directory}/${name}`;
  const options = JSON.stringify({ pidfile: nest.pidfile, log: nest.log, ready, detach: true });
  const load = name.endsWith('.cjs')
    ? `const load = require('node:module').createRequire('/'); const net = require('node:net');
       module.exports = import(${JSON.stringify(entry)}).then(({ becomeDaemon }) => {`
    : `import { becomeDaemon } from ${JSON.stringify(entry)}; import net from 'node:net';`;
  const end = name.endsWith('.cjs') ? '});' : '';
  writeFileSync(
    program,
    `${load}\nconst daemon = becomeDaemon({ ...${options} ${more} });\n${after}\n${end}`,
  );
  return nest.run([process.execPath, program]);
}

const RUNS = 'setInterval(() => {}, 1000);';

test('by default, an error of the next line and a port in use fail the start; evaluated too', async (t) => {
  // By name, as musl's getaddrinfo(3) prefers ::1, and glibc's here 127.0.0.1.
  const rival = createServer().listen(0, 'localhost');
  await once(rival, 'listening');
  const { address, port } = rival.address() as AddressInfo;
  const cases: [name: string, after: string, words: RegExp, code?: number][] = [
    ['throws', `${RUNS} throw new Error('the next line');`, /Error: the next line\n +at .*app/],
    ['listens', `net.createServer().listen(${port}, '${address}');`, /EADDRINUSE/],
    ['listens by name', `net.createServer().listen(${port}, 'localhost');`, /EADDRINUSE/],
    ['rejects', `${RUNS} Promise.reject(new Error('a promise'));`, /Error: a promise/],
    [
      'in a tick',
      `${RUNS} process.nextTick(() => { throw new Error('a tick'); });`,
      /Error: a tick/,
    ],
    [
      'in the next turn',
      `${RUNS} setImmediate(() => { throw new Error('a turn'); });`,
      /Error: a turn/,
    ],
    ['exits', 'process.exit(3);', /it exited with code 3 before it was ready/, 3],
    [
      'has a listener',
      `${RUNS} process.on('uncaughtException', () => {}); throw new Error('not said by Node');`,
      /did not start: Error: not said by Node|did not start: not said by Node/,
    ],
  ];
  const nest = new Nest(t);
  try {
    for (const ready of [undefined, 'evaluated'] as const) {
      for (const [name, after, words, code = 1] of ready ? cases.slice(0, often(8, 3)) : cases) {
        const failed = await starts(nest, ready, after);
        assert.deepEqual(
          [failed.code, nest.processes()],
          [code, []],
          `${ready} ${name}: ${failed.stderr}`,
        );
        assert.match(failed.stderr, words);
        assert.equal(existsSync(nest.pidfile), false);
      }
    }
    const common = await starts(nest, undefined, "throw new Error('of CommonJS');", 'app.cjs');
    assert.match(common.stderr, /Error: of CommonJS/);
    assert.equal(common.code, 1);
    // The former behaviour: success as soon as the daemon exists.
    const listens = `net.createServer().listen(${port}, '${address}');`;
    const detached = await starts(nest, 'detached', listens);
    assert.deepEqual([detached.code, detached.stderr], [0, '']);
    await until('it has ended', () => nest.processes().length === 0);
    assert.match(nest.logged(), /EADDRINUSE/);
  } finally {
    rival.close();
  }
});

test('a server that listens is ready; a script that has done its work, too', async (t) => {
  const nest = new Nest(t);
  const listens = await starts(nest, undefined, "net.createServer().listen(0, 'localhost');");
  assert.deepEqual([listens.code, listens.stderr], [0, '']);
  await nest.end(nest.pid());
  for (const after of ['process.exit(0);', '', "console.log('done');"]) {
    for (const ready of [undefined, 'evaluated'] as const) {
      const done = await starts(nest, ready, after);
      assert.deepEqual([done.code, done.stderr], [0, ''], `${after} ${ready}`);
      await until('it has ended', () => nest.processes().length === 0);
    }
  }
  assert.equal(nest.logged(), 'done\ndone\n');
});

test('auto does not wait for a top-level await, evaluated does, in a chroot too', async (t) => {
  const nest = new Nest(t);
  const waits = `const { setTimeout: sleep } = await import('node:timers/promises'); ${RUNS}`;
  // A flag that is awaited at the top: the whole life of many a daemon.
  const whole = await starts(nest, undefined, `${RUNS} await new Promise(() => {});`);
  assert.deepEqual([whole.code, whole.stderr], [0, '']);
  await nest.end(nest.pid());

  const fails = `${waits} await sleep(200); throw new Error('no database');`;
  const auto = await starts(nest, undefined, fails);
  assert.equal(auto.code, 0);
  await until('it has ended', () => nest.processes().length === 0);
  for (const more of ['', ...(process.getuid?.() === 0 ? [", chroot: '/var/empty-or-usr'"] : [])]) {
    const place = more
      .replace('/var/empty-or-usr', nest.directory)
      .replace('chroot', 'log: undefined, chroot');
    const evaluated = await starts(nest, 'evaluated', fails, 'app.mjs', place);
    assert.equal(evaluated.code, 1);
    assert.match(evaluated.stderr, /Error: no database\n/);
    assert.deepEqual([nest.processes(), existsSync(nest.pidfile)], [[], false]);
    const told = `${waits} await sleep(200); console.error('evaluated');`;
    const ready = await starts(nest, 'evaluated', told, 'app.mjs', place);
    // What is said until then reaches the launcher.
    assert.deepEqual([ready.code, ready.stderr], [0, 'evaluated\n']);
    await nest.end(Number(readFileSync(nest.pidfile, 'utf8')));
  }
  const never = await starts(
    nest,
    'evaluated',
    `${RUNS} await new Promise(() => {});`,
    'app.mjs',
    ', timeout: 1000',
  );
  assert.match(never.stderr, /it was not ready within 1000 ms/);
  assert.deepEqual(nest.processes(), []);
});

test('the module is run once, by whatever name it was started', async (t) => {
  const nest = new Nest(t);
  const count = `${nest.directory}/count`;
  const after = `(await import('node:fs')).appendFileSync(${JSON.stringify(count)}, 'x'); ${RUNS}`;
  const { code } = await starts(nest, 'evaluated', after);
  assert.equal(code, 0);
  assert.equal(readFileSync(count, 'utf8'), 'x');
  await nest.end(nest.pid());
  for (const command of [
    ['app.mjs'],
    ['./app.mjs'],
    ['--input-type=module', '-e', "await import('./app.mjs')"],
  ]) {
    const again = await nest.run([process.execPath, ...command], { cwd: nest.directory });
    assert.deepEqual([again.code, again.stderr], [0, '']);
    await nest.end(nest.pid());
  }
  assert.equal(readFileSync(count, 'utf8'), 'xxxx');
});

test('in the foreground the manager hears of it in the same way, and not of a daemon that is ended', async (t) => {
  const source = (after: string) =>
    `becomeDaemon({ ready: 'evaluated', detach: false });\n${after}`;
  const command = (after: string) => {
    const program = `${scratch(t)}/app.mjs`;
    const head = `import { becomeDaemon } from ${JSON.stringify(entry)}; setInterval(() => {}, 1000);`;
    writeFileSync(program, `${head}\n${source(after)}`);
    return [process.execPath, program];
  };
  const told = async (after: string, code: number) => {
    const manager = await Manager.start(t, command(after));
    return (await manager.exits(code)).flat().includes('READY=1');
  };
  assert.equal(await told('setTimeout(() => process.exit(5), 200);', 5), true);
  const killed = "setTimeout(() => process.kill(process.pid, 'SIGTERM'), 50);";
  assert.equal(await told(`${killed} await new Promise(() => {});`, 0), false);
  assert.equal(await told("throw new Error('not yet')", 1), false);
});
