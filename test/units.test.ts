// The unit files and scripts of examples/: right by their own tools, and what they start does what
// they promise.
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Nest, until } from './tools/daemons.js';
import { Manager } from './tools/manager.js';
import { needsSystemd } from './tools/needs.js';
import { scratch } from './tools/scratch.js';

const EXAMPLES = fileURLToPath(new URL('../../examples', import.meta.url));
const PROGRAM = fileURLToPath(new URL('../examples/service.js', import.meta.url));
const UNITS = readdirSync(join(EXAMPLES, 'systemd'));

/** An example as it would be installed, but for the places. */
function installed(file: string, directory: string): string {
  return readFileSync(join(EXAMPLES, file), 'utf8')
    .replaceAll(/(\/usr\/bin\/)?\bnode (?=\/opt)/g, `${process.execPath} `)
    .replaceAll('/opt/hello/service.js', PROGRAM)
    .replaceAll(/\/(run|var\/log)\/hello/g, `${directory}/hello`);
}

function execStart(unit: string, directory: string): string[] {
  const [, command = ''] = /^ExecStart=(.*)$/m.exec(installed(`systemd/${unit}`, directory)) ?? [];
  return command.split(' ');
}

test('systemd-analyze verify finds nothing to say', needsSystemd, (t) => {
  const directory = scratch(t);
  const names = UNITS.map((unit) => unit.replace('@', '@8090'));
  UNITS.forEach((unit, at) => {
    writeFileSync(join(directory, names[at] ?? ''), installed(`systemd/${unit}`, directory));
  });
  const { stderr, status } = spawnSync(
    'systemd-analyze',
    ['verify', '--man=no', ...names.map((name) => join(directory, name))],
    { encoding: 'utf8', env: { ...process.env, SYSTEMD_UNIT_PATH: `${directory}:` } },
  );
  const version = Number(
    /\d+/.exec(execFileSync('systemd-analyze', ['--version'], { encoding: 'utf8' })),
  );
  const known =
    version < 253
      ? /^.*(Failed to parse service type, ignoring: notify-reload|Unknown key (name )?'ReloadSignal' .*)\n/gm
      : /^$/;
  assert.deepEqual([stderr.replace(known, ''), status], ['', 0]);
});

for (const unit of ['hello.service', 'hello-reload.service', 'hello@.service']) {
  test(`${unit}: ready, reloads, stops`, async (t) => {
    const nest = new Nest(t);
    const manager = await Manager.start(t, execStart(unit, nest.directory), {
      execPid: true,
      watchdogPid: true,
      env: { ...nest.env(), PORT: '0', WATCHDOG_USEC: '10000000' },
    });
    await manager.hears('STATUS=serving');
    process.kill(manager.service, 'SIGHUP');
    await manager.hears('STATUS=serving anew');
    process.kill(manager.service, 'SIGTERM');
    const told = await manager.exits(0);
    assert.deepEqual(
      told.map(([line]) => line),
      [
        'STATUS=reading the configuration',
        ...['READY=1', 'WATCHDOG=1', 'STATUS=serving'],
        ...['RELOADING=1', 'READY=1', 'STATUS=serving anew'],
        ...['STOPPING=1', 'STATUS=stopping after 0 requests'],
      ],
    );
  });
}

test('hello-activated: the connection that starts it is served', needsSystemd, async (t) => {
  const nest = new Nest(t);
  const path = join(nest.directory, 'http');
  const command = execStart('hello-activated.service', nest.directory);
  const child = spawn('systemd-socket-activate', ['-l', path, ...command], {
    env: nest.env(),
    stdio: 'ignore',
  });
  await until('it listens', () => existsSync(path));
  const curl = `require('http').get({ socketPath: '${path}' }, (r) => r.pipe(process.stdout))`;
  const asked = spawn(process.execPath, ['-e', curl], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  for await (const part of asked.stdout.setEncoding('utf8')) text += part;
  assert.equal(text, `hello from process ${child.pid}\n`);
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

/** Starts a program that reports readiness by a newline on descriptor 3, and waits for that. */
async function newline(child: ChildProcess): Promise<string> {
  let said = '';
  const pipe = child.stdio[3] as Readable;
  for await (const text of pipe.setEncoding('utf8')) said += text;
  return said;
}

test('the run script for s6', async (t: TestContext) => {
  const nest = new Nest(t);
  const script = join(nest.directory, 'run');
  writeFileSync(script, installed('s6/hello/run', nest.directory));
  chmodSync(script, 0o755);
  const fd = readFileSync(join(EXAMPLES, 's6/hello/notification-fd'), 'utf8');
  assert.equal(fd, '3\n');
  const env = nest.env({ PORT: '0' });
  const child = spawn(script, { env, stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
  assert.equal(await newline(child), '\n');
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('hello-forking: PIDFILE has it go to the background, where systemd waits for that', async (t) => {
  const nest = new Nest(t);
  const pidfile = join(nest.directory, 'hello.pid');
  // As systemd starts it: its own pid in SYSTEMD_EXEC_PID.
  const via = ['-c', 'SYSTEMD_EXEC_PID=$$ exec "$@"', 'sh'];
  const child = spawn('sh', [...via, ...execStart('hello-forking.service', nest.directory)], {
    env: nest.env({ PORT: '0', PIDFILE: pidfile, INVOCATION_ID: '1f' }),
    stdio: 'ignore',
  });
  assert.deepEqual(await once(child, 'exit'), [0, null]);
  const pid = Number(readFileSync(pidfile, 'utf8'));
  assert.deepEqual(nest.processes(), [pid]);
  assert.notEqual(pid, child.pid);
  await nest.end(pid);
  assert.equal(existsSync(pidfile), false);
});

test('the rc.d script for FreeBSD is a shell script', () => {
  const { status, stderr } = spawnSync('sh', ['-n', join(EXAMPLES, 'freebsd/hello')], {
    encoding: 'utf8',
  });
  assert.deepEqual([status, stderr], [0, '']);
});
