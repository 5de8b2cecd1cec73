// becomeDaemon() under a supervisor: the steps that it omits, and its reports.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { DaemonOptions } from 'daemonkit';
import { Nest, until } from './tools/daemons.js';
import { Manager, type Settings } from './tools/manager.js';
import { needsRoot, needsSystemd } from './tools/needs.js';
import { freePort } from './tools/port.js';
import { descriptors, hasEnded, stat } from './tools/proc.js';

const PROGRAM = fileURLToPath(new URL('./fixtures/service.js', import.meta.url));

const command = (scenario: string, options: DaemonOptions = {}) => [
  process.execPath,
  PROGRAM,
  scenario,
  JSON.stringify(options),
];

/** Runs the service under a manager; what it forks ends with the test too. */
async function supervise(
  t: TestContext,
  scenario: string,
  options: DaemonOptions = {},
  settings: Settings = {},
): Promise<{ nest: Nest; manager: Manager }> {
  const nest = new Nest(t);
  const env = { ...nest.env(), ...settings.env };
  const manager = await Manager.start(t, command(scenario, options), { ...settings, env });
  return { nest, manager };
}

interface Answer {
  pid: number;
  ppid: number;
  title: string;
  passed: { fd: number; name: string }[];
  LISTEN_PID?: string;
  WATCHDOG_PID?: string;
  by: { name: string; reason: string } | null;
}

/** Asks a service at a port or a Unix socket. */
async function ask(at: number | string): Promise<Answer> {
  const where = typeof at === 'number' ? { port: at, host: '127.0.0.1' } : { socketPath: at };
  const request = get({ ...where, path: '/', agent: false });
  const [response] = await once(request, 'response');
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return JSON.parse(text);
}

const portIn = (output: string) => Number(/^port (\d+)$/m.exec(output)?.[1]);

test('a service: same process, READY, reloads, STATUS, STOPPING', async (t) => {
  const directory = new Nest(t).directory;
  const log = join(directory, 'log');
  const { manager } = await supervise(
    t,
    'reloads',
    { log, pidfile: join(directory, 'pid'), reopenOn: 'SIGHUP' },
    { execPid: true },
  );
  const pid = manager.service;
  await manager.hears('STATUS=serving');
  assert.deepEqual(manager.told, [['STATUS=reading'], ['READY=1'], ['STATUS=serving']]);
  assert.equal(stat(pid)[3], stat(process.pid)[3], 'its session is as it was');
  assert.equal(Number(readFileSync(join(directory, 'pid'), 'utf8')), pid);
  assert.equal((await ask(portIn(manager.output))).pid, pid);

  rmSync(log);
  process.kill(pid, 'SIGHUP');
  await until('the end of the reload', () => manager.told.length === 5);
  assert.match(manager.told[3]?.join() ?? '', /^RELOADING=1,MONOTONIC_USEC=\d+$/);
  assert.deepEqual(manager.told[4], ['READY=1']);
  assert.ok(existsSync(log));

  process.kill(pid, 'SIGUSR1');
  await manager.hears('STATUS=as before');
  assert.equal(manager.told[5]?.[0], 'RELOADING=1');
  assert.deepEqual(manager.told.slice(6), [
    ['STATUS=ENOENT: no such file (errno 2)', 'ERRNO=2'],
    ['READY=1'],
    ['STATUS=as before'],
  ]);

  process.kill(pid, 'SIGTERM');
  await manager.exits(0);
  assert.deepEqual(manager.told.at(-1), ['STOPPING=1']);
  assert.equal(existsSync(join(directory, 'pid')), false);
  assert.ok(manager.messages.every((message) => message.pid === pid));
});

test('in a chroot, as another user, with the watchdog', needsRoot, async (t) => {
  const root = new Nest(t).directory;
  mkdirSync(join(root, 'srv'));
  const { manager } = await supervise(
    t,
    'plain',
    { chroot: join(root, 'srv'), user: 65534, group: 65534 },
    { watchdogPid: true, env: { WATCHDOG_USEC: '100000' } },
  );
  await until('signs of life', () => manager.told.length >= 3);
  assert.deepEqual(manager.told.slice(0, 3), [['READY=1'], ['WATCHDOG=1'], ['WATCHDOG=1']]);
  assert.equal(manager.messages[2]?.uid, 65534);
  process.kill(manager.service, 'SIGTERM');
  assert.deepEqual((await manager.exits()).at(-1), ['STOPPING=1']);
});

test('a start that fails: the error is told, and printed; the exit code is not 0', async (t) => {
  const failed = await supervise(t, 'fails');
  await failed.manager.exits(1);
  const words = "ENOENT: no such file or directory, open '/x' (errno 2)";
  assert.deepEqual(failed.manager.told, [[`STATUS=${words}`, 'ERRNO=2']]);
  assert.match(failed.manager.output, /^daemonkit: ENOENT.*$/m);

  const check = await supervise(t, 'plain', { pidfile: '/nonexistent/x.pid' });
  await check.manager.exits(1);
  const [[status, errno] = []] = check.manager.told;
  assert.match(status ?? '', /^STATUS=step pidfile: ENOENT/);
  assert.equal(errno, 'ERRNO=2');
  assert.match(
    check.manager.output,
    /Error: becomeDaemon: step pidfile: ENOENT[\s\S]*step: 'pidfile'/,
  );

  const hook = await supervise(t, 'throws');
  await hook.manager.exits(1);
  assert.deepEqual(hook.manager.told, [['STATUS=step privileged: the hook does not want to']]);
});

for (const strategy of ['fork', 'reexec'] as const) {
  test(`detached by force, ${strategy}: the launcher names the main process`, async (t) => {
    const directory = new Nest(t).directory;
    const pidfile = join(directory, 'pid');
    const { manager } = await supervise(
      t,
      'plain',
      { detach: true, strategy, pidfile, log: join(directory, 'log') },
      { watchdogPid: true, env: { WATCHDOG_USEC: '100000' }, listen: ['tcp'] },
    );
    await manager.exits(0);
    const { pid, passed, LISTEN_PID, WATCHDOG_PID } = await ask(manager.port);
    assert.notEqual(pid, manager.service);
    assert.deepEqual(passed, [{ fd: 3, name: 'tcp' }]);
    assert.deepEqual([Number(LISTEN_PID), Number(WATCHDOG_PID)], [pid, pid]);
    const main = await manager.hears(`MAINPID=${pid}`);
    assert.deepEqual(main.lines, ['READY=1', `MAINPID=${pid}`, 'MAINPIDFD=1']);
    assert.equal(main.pid, manager.service, 'with NotifyAccess=main nobody else is heard');
    assert.equal(main.fds.length, 1);
    const sign = await manager.hears('WATCHDOG=1');
    assert.equal(sign.pid, pid);
    process.kill(pid, 'SIGTERM');
    assert.equal((await manager.hears('STOPPING=1')).pid, pid);
  });
}

test('detached by force: systemd looks at the daemon anew, once it is its child', async (t) => {
  const directory = new Nest(t).directory;
  const [pidfile, log] = [join(directory, 'pid'), join(directory, 'log')];
  const options = { detach: true, pidfile, log };
  const { manager } = await supervise(t, 'plain', options, { systemd: true, hold: true });
  await manager.exits(0);
  const pid = Number(readFileSync(pidfile, 'utf8'));
  const mains = () =>
    manager.messages.flatMap(({ pid, lines }) =>
      lines.filter((line) => line.startsWith('MAINPID=')).map((line) => [pid, line] as const),
    );
  await manager.hears('BARRIER=1');
  const [, [, other = ''] = []] = mains();
  const between = Number(other.slice('MAINPID='.length));
  assert.deepEqual(mains(), [
    [manager.service, `MAINPID=${pid}`],
    [pid, `MAINPID=${between}`],
    [between, `MAINPID=${pid}`],
  ]);
  assert.equal(Number(stat(pid)[1]), manager.pid);
  // The sender can be looked up until everything is read. It holds no descriptor of the daemon.
  const opened = Object.values(descriptors(between));
  assert.deepEqual(opened.map((target) => target.replace(/:.*/, '')).sort(), [
    'pipe',
    'pipe',
    'socket',
  ]);
  // What is sent to it as the main process is the daemon's.
  process.kill(between, 'SIGTERM');
  manager.command('release');
  await until('it ends', () => hasEnded(between));
  assert.equal((await manager.hears('STOPPING=1')).pid, pid);
});

test('detached by force, a start that fails', async (t) => {
  const { manager, nest } = await supervise(t, 'fails', { detach: true });
  await manager.exits(1);
  const statuses = manager.messages.map(({ pid, lines }) => [pid === manager.service, lines[0]]);
  const words = "STATUS=ENOENT: no such file or directory, open '/x' (errno 2)";
  assert.deepEqual(statuses, [
    [false, words],
    [true, words],
  ]);
  assert.deepEqual(nest.processes(), []);
});

test('sockets that were passed: TCP and Unix are served, UDP is told', async (t) => {
  const unix = join(new Nest(t).directory, 'socket');
  const { manager } = await supervise(t, 'plain', {}, { listen: ['tcp', `unix:${unix}`, 'udp'] });
  await manager.hears('READY=1');
  const answer = await ask(manager.port);
  assert.equal(answer.pid, manager.service);
  assert.deepEqual(answer.passed, [
    { fd: 3, name: 'tcp' },
    { fd: 4, name: 'unix' },
    { fd: 5, name: 'udp' },
  ]);
  assert.equal((await ask(unix)).pid, manager.service);
  process.kill(manager.service, 'SIGTERM');
  await manager.exits();
  assert.ok(existsSync(unix), "the file is the manager's");
});

for (const kind of ['tcp', 'unix']) {
  test(`under systemd-socket-activate: ${kind}`, needsSystemd, async (t) => {
    const nest = new Nest(t);
    const port = await freePort();
    const at = kind === 'tcp' ? port : join(nest.directory, 'socket');
    const listen = kind === 'tcp' ? `127.0.0.1:${port}` : `${at}`;
    const args = ['--listen', listen, '--fdname=web', ...command('plain')];
    const child = spawn('systemd-socket-activate', args, { env: nest.env() });
    t.after(() => child.kill('SIGKILL'));
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    await until('it listens', () => /^Listening on/m.test(output));
    const answer = await ask(at);
    assert.equal(answer.pid, child.pid);
    assert.deepEqual(answer.passed, [{ fd: 3, name: 'web' }]);
    assert.deepEqual(answer.by, { name: 'systemd', reason: 'LISTEN_PID is this process' });
    assert.equal(stat(answer.pid)[1], `${process.pid}`, 'it has not detached');
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [0, null]);
  });
}

for (const [title, fd, options] of [
  ['an s6 service: a newline, then the end', 3, {}],
  ['the same over standard output, which becomes the log', 1, { log: 'log' }],
  ['the same for a daemon that detaches', 3, { detach: true }],
] as const) {
  test(title, async (t) => {
    const nest = new Nest(t);
    const log = join(nest.directory, 'log');
    const files = 'log' in options ? { log } : {};
    const all = {
      pidfile: nest.pidfile,
      notifyFd: fd,
      ready: 'auto',
      ...options,
      ...files,
    } as const;
    const [file = '', ...args] = command('plain', all);
    const child = spawn(file, args, { env: nest.env(), stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
    t.after(() => child.kill('SIGKILL'));
    const pipe = child.stdio[fd] as Readable;
    let said = '';
    pipe.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await once(pipe, 'end');
    assert.match(said, fd === 1 ? /^port \d+\n\n$/ : /^\n$/);
    const pid = nest.pid();
    assert.equal(pid === child.pid, !('detach' in options));
    assert.deepEqual(nest.processes().includes(pid), true);
    const expected = fd === 1 ? log : undefined;
    await until('the descriptor is closed', () => descriptors(pid)[fd] === expected);
    await nest.end(pid);
  });
}

test('nobody but a launcher and ps(1) to tell the status', async (t) => {
  const nest = new Nest(t);
  const log = join(nest.directory, 'log');
  const [file = '', ...args] = command('statuses', { pidfile: nest.pidfile, log });
  const child = spawn(file, args, { env: nest.env(), stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  assert.deepEqual(await once(child, 'close'), [0, null]);
  assert.equal(errors, 'loading\n');
  const pid = nest.pid();
  const shown = () => readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')[0];
  await until('the title', () => shown() === 'service.js: up');
  await nest.end(pid);
});

test('wrong options', async (t) => {
  for (const [options, words] of [
    [{ notifyFd: 'x' }, /ERR_INVALID_ARG_TYPE/],
    [{ notifyFd: -1 }, /ERR_OUT_OF_RANGE/],
    [{ notifyFd: 77 }, /step notify: EBADF: bad file descriptor, dup[\s\S]*step: 'notify'/],
    [{ detach: 'maybe' }, /ERR_INVALID_ARG_TYPE/],
    [{ watchdog: 1 }, /ERR_INVALID_ARG_TYPE/],
  ] as const) {
    const [file = '', ...args] = command('plain', options as never);
    const child = spawn(file, args, { env: new Nest(t).env(), stdio: ['ignore', 'pipe', 'pipe'] });
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    assert.deepEqual(await once(child, 'close'), [1, null]);
    assert.match(errors, words);
  }
});
