// The TypeScript that differs on FreeBSD, run on Linux in a process without /proc whose addon answers as FreeBSD's does
// (test/tools/freebsd.ts).
import assert from 'node:assert/strict';
import { type StdioOptions, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { Nest, until } from './tools/daemons.js';
import type { Entry } from './tools/leaking.js';
import { Manager } from './tools/manager.js';
import { needs } from './tools/needs.js';
import { collect } from './tools/output.js';
import { hasEnded } from './tools/proc.js';
import { fixture } from './tools/run.js';

const needsFreebsd = needs('root', 'unshare', 'mount', 'umount', 'ps');

// In a separate mount namespace. Linux's ps(1) works there: both systems have the same keywords.
const WITHOUT_PROC = `set -e
mount --rbind /proc "$1/proc"
mount -t tmpfs -o ro tmpfs /proc
shift`;
const PS = `#!/bin/sh
exec unshare --mount sh -c 'umount /proc; PATH=\${PATH#*:}; exec ps "$@"' sh "$@"
`;

/** A process that takes itself for one of FreeBSD; `via` is what the shell makes of its command. */
function freebsd(nest: Nest, args: string[], via = 'exec "$@"') {
  for (const name of ['proc', 'bin']) mkdirSync(join(nest.directory, name), { recursive: true });
  writeFileSync(join(nest.directory, 'bin/ps'), PS, { mode: 0o755 });
  const preload = new URL('./tools/freebsd.js', import.meta.url).href;
  const script = `${WITHOUT_PROC}\n${via}`;
  return {
    command: [
      ...['unshare', '--mount', 'sh', '-c', script, 'sh', nest.directory],
      ...[process.execPath, fixture('freebsd.js'), ...args],
    ],
    env: nest.env({
      DAEMONKIT_PROC: join(nest.directory, 'proc'),
      NODE_OPTIONS: `--import=${preload}`,
      PATH: `${join(nest.directory, 'bin')}:${process.env.PATH}`,
      UV_USE_IO_URING: '0',
    }),
  };
}

/** Runs a scenario to its end. */
async function says<T>(
  nest: Nest,
  args: string[],
  { via, stdio = ['ignore', 'pipe', 'pipe'] }: { via?: string; stdio?: StdioOptions } = {},
): Promise<T> {
  const { command, env } = freebsd(nest, args, via);
  const [file = '', ...rest] = command;
  const child = spawn(file, rest, { env, stdio });
  const output = collect(child);
  const code = await new Promise((resolve) => child.on('close', resolve));
  assert.deepEqual([code, output.stderr], [0, '']);
  return JSON.parse(output.stdout);
}

test('descriptors, by kern.proc.filedesc', needsFreebsd, async (t) => {
  const nest = new Nest(t);
  const file = openSync(process.execPath, 'r');
  // A socket and a file that the shell has too, and a pipe's end.
  const {
    file: own,
    all,
    closed,
    left,
  } = await says<{
    file: number;
    all: Entry[];
    closed: Entry[];
    left: number[];
  }>(nest, ['descriptors'], {
    via: 'true | "$@" 5<&0 </dev/null',
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', file],
  });
  const at = (fd: number) => all.find((one) => one.fd === fd);
  const { target: socket = '', ...third } = at(3) ?? {};
  assert.match(socket, /^socket:\[[0-9a-f]+\]$/);
  assert.deepEqual(third, {
    ...{ fd: 3, type: 'socket', cloexec: true, inherited: true, runtime: false },
  });
  // It may have been opened by its name: nothing proves that it was passed on.
  assert.deepEqual(
    [at(4)?.type, at(4)?.target, at(4)?.inherited],
    ['file', process.execPath, false],
  );
  assert.deepEqual([at(5)?.type, at(5)?.inherited], ['pipe', true]);
  const ours = at(own);
  assert.deepEqual(ours, {
    ...{ fd: own, target: '/etc/passwd', type: 'file' },
    ...{ cloexec: true, inherited: false, runtime: false },
  });
  const loops = all.filter(({ type }) => type === 'kqueue');
  assert.ok(loops.length > 0 && loops.every(({ runtime }) => runtime));
  const sockets = all.filter(({ fd, type }) => type === 'socket' && fd > 3);
  assert.ok(
    sockets.length > 0 && sockets.every(({ inherited, runtime }) => !inherited && !runtime),
  );
  // The starter of the tests may have left others.
  const gone = closed.map(({ fd }) => fd);
  assert.deepEqual(
    [3, 4, 5, own].map((fd) => gone.includes(fd)),
    [true, false, true, false],
  );
  assert.ok(left.includes(4) && left.includes(own) && !left.includes(3) && !left.includes(5));
});

test('processes: procctl, kqueue, no pidfd, no list of children', needsFreebsd, async (t) => {
  const nest = new Nest(t);
  writeFileSync(nest.pidfile, '1\n');
  assert.deepEqual(await says(nest, ['processes', nest.pidfile]), {
    subreaper: true,
    ended: 7,
    none: 'ECHILD waitpid',
    kqueue: 'EMFILE kqueue',
    reaper: 'EPERM procctl',
    death: 'EPERM procctl',
    pidfd: 'ENOSYS pidfd_open',
    orphans: 'ENOTSUP waitpid',
    descendants: null,
  });
});

test('a pidfile: by its lock, the age that ps tells, and kill(2)', needsFreebsd, async (t) => {
  const nest = new Nest(t);
  const { age, ...said } = await says<{ age: number }>(nest, ['other', nest.pidfile]);
  assert.ok(age < 60_000, `${age} ms`);
  assert.deepEqual(said, {
    ...{ state: 'running', its: true, hup: 'handler', usr1: 'default', said: 'heard' },
    ...{ stopped: 'ended', after: 'absent' },
  });
});

test('surroundings, fork, users', needsFreebsd, async (t) => {
  const nest = new Nest(t);
  // A parent of this name identifies the supervisor, if the system shows the name.
  const runsv = join(nest.directory, 'runsv');
  writeFileSync(runsv, '#!/bin/sh\n"$@"\nexit $?\n', { mode: 0o755 });
  const { command, root, ...said } = await says<{ command: string[]; root: string }>(
    nest,
    ['surroundings'],
    { via: `exec ${runsv} "$@"` },
  );
  assert.deepEqual(said, {
    platform: 'freebsd',
    proc: [],
    calls: ['procctl', 'kqueue'],
    supervisor: null,
    pidfile: '/var/run/hello.pid',
    variables: true,
    fork: 'ENOTSUP fork',
    support: false,
    user: [65534, 65534, [65534]],
  });
  assert.deepEqual(command.slice(1), [fixture('freebsd.js'), 'surroundings']);
  assert.match(root, /^\d+:\d+$/);
});

test('a service manager is told of the main process without a pidfd', needsFreebsd, async (t) => {
  const { command, env } = freebsd(new Nest(t), ['service']);
  const manager = await Manager.start(t, command, { env });
  await manager.exits(0);
  const [[...lines] = []] = manager.told;
  assert.deepEqual(
    lines.map((line) => line.replace(/\d+$/, '')),
    ['READY=', 'MAINPID='],
  );
});

test('becomeDaemon() by re-exec, without /proc', needsFreebsd, async (t) => {
  const nest = new Nest(t);
  const { command, env } = freebsd(nest, ['daemon', nest.pidfile]);
  const [file = '', ...args] = command;
  const { status, stderr } = spawnSync(file, args, { env, encoding: 'utf8' });
  assert.deepEqual([status, stderr], [0, '']);
  const pid = nest.pid();
  assert.deepEqual(nest.processes(), [pid]);
  const log = () => /^\{.*\}$/m.exec(readFileSync(`${nest.pidfile}.log`, 'utf8'))?.[0];
  const { port, supervisor } = JSON.parse(await until('the log', log));
  assert.equal(supervisor, null);
  const socket = connect(port, '127.0.0.1').setEncoding('utf8');
  let said = '';
  for await (const text of socket) said += text;
  assert.equal(Number(said), pid);
  await nest.end(pid);
  assert.ok(hasEnded(pid));
});
