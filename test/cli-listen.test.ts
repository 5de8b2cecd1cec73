// `daemonkit --listen`: sockets that are bound before privileges are dropped, and handed over as
// systemd does: LISTEN_FDS from descriptor 3 on.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { daemonkit, starts, writeApp } from './tools/cli.js';
import { Nest, until } from './tools/daemons.js';
import { needsRoot } from './tools/needs.js';
import { freePort } from './tools/port.js';

/** What a server answers at a port or a Unix socket. */
function answer(at: number | string): Promise<string> {
  const where = typeof at === 'number' ? { port: at, host: '127.0.0.1' } : { socketPath: at };
  return new Promise((resolve, reject) => {
    const request = get({ ...where, path: '/', agent: false }, async (response) => {
      let text = '';
      for await (const chunk of response.setEncoding('utf8')) text += chunk;
      resolve(text);
    });
    request.on('error', reject);
  });
}

const refused = (at: number | string) =>
  assert.rejects(answer(at), ({ code }: NodeJS.ErrnoException) =>
    /ECONNREFUSED|ENOENT/.test(`${code}`),
  );

/** By the bare convention, with nothing of daemonkit. */
const SERVE = `const http = require('node:http');
  if (process.env.LISTEN_PID !== String(process.pid)) throw new Error('not for us');
  for (let fd = 3; fd < 3 + Number(process.env.LISTEN_FDS); fd++) {
    const say = [fd, process.getuid(), process.env.LISTEN_FDNAMES].join(' ');
    http.createServer((request, response) => response.end(say)).listen({ fd });
  }`;

for (const strategy of ['fork', 'reexec'] as const) {
  test(`${strategy}: port 80 and a Unix socket for an ordinary user`, needsRoot, async (t) => {
    const nest = new Nest(t);
    chmodSync(nest.directory, 0o755);
    writeApp(nest, 'app.cjs', SERVE);
    const socket = join(nest.directory, 'app.sock');
    const port = await freePort();
    const listen = [
      '--listen',
      `127.0.0.1:${port}`,
      '--listen',
      'unix:app.sock',
      '--listen=[::1]:0',
    ];
    const birth = ['--strategy', strategy, '--user', 'nobody', ...listen];
    const options = ['--pidfile', 'd.pid', ...birth];
    const pid = await starts(nest, ['start', ...options, 'app.cjs']);
    const names = `${port}:app.sock:0`;
    assert.equal(await answer(port), `3 65534 ${names}`);
    assert.equal(await answer(socket), `4 65534 ${names}`);
    assert.equal(statSync(socket).mode & 0o777, 0o666);

    // Others are in its way; it is not in its own.
    const rival = await daemonkit(nest, ['start', '--pidfile', 'r.pid', ...listen, 'app.cjs']);
    assert.equal(rival.code, 111);
    assert.match(
      rival.stderr,
      /^daemonkit: step listen: EADDRINUSE.*:\d+' \(errno 98\)\nanother proc/,
    );
    const second = await starts(nest, ['restart', ...options, 'app.cjs']);
    assert.notEqual(second, pid);
    assert.equal(await answer(port), `3 65534 ${names}`);
    assert.equal(await answer(socket), `4 65534 ${names}`, 'the file that was left is replaced');
    assert.deepEqual(nest.processes(), [second]);
  });
}

test('what is left of a start that fails: no socket, no file', async (t) => {
  const nest = new Nest(t);
  writeApp(nest, 'app.cjs', 'process.exit(4)');
  const port = await freePort();
  const listen = ['--listen', `${port}`, '--listen', './app.sock', '--pidfile', 'd.pid'];
  assert.equal((await daemonkit(nest, ['start', ...listen, 'app.cjs'])).code, 4);
  assert.equal(existsSync(join(nest.directory, 'app.sock')), false);
  await refused(port);
  // The second cannot be bound; the file of the first goes too.
  writeFileSync(join(nest.directory, 'file'), 'precious');
  const both = ['--listen', './app.sock', '--listen', './file', '--pidfile', 'd.pid'];
  const { code, stderr } = await daemonkit(nest, ['start', ...both, 'app.cjs']);
  assert.equal(code, 111);
  assert.match(stderr, /step listen: EADDRINUSE: the file is not a socket, listen '.*file'/);
  assert.equal(existsSync(join(nest.directory, 'app.sock')), false);
  assert.equal(existsSync(join(nest.directory, 'file')), true);
});

test('in the foreground: the same process, its streams, its arguments', async (t) => {
  const nest = new Nest(t);
  const say = 'process.ppid, process.env.LISTEN_FDS, process.argv.slice(2)';
  writeApp(nest, 'app.cjs', `console.log(JSON.stringify([${say}])); process.exit(6)`);
  const args = ['start', '--foreground', '--listen', '0', 'app.cjs', '--listen', 'x'];
  const { code, stdout, stderr } = await daemonkit(nest, args);
  assert.deepEqual(JSON.parse(stdout), [process.pid, '1', ['--listen', 'x']]);
  assert.deepEqual([code, stderr], [6, '']);
});

test('after those that a service manager has passed', async (t) => {
  const nest = new Nest(t);
  writeApp(nest, 'app.mjs', 'console.log(JSON.stringify(daemonkit.listenFds()))');
  const under = [
    'sh',
    '-c',
    'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web exec "$@" 3</dev/null',
    'sh',
  ];
  const start = ['start', '--detach', '--listen', '0', '--pidfile', 'd.pid', '--log', nest.log];
  await starts(nest, [...start, 'app.mjs'], { under });
  assert.deepEqual(JSON.parse(nest.logged()), [
    { fd: 3, name: 'web' },
    { fd: 4, name: '0' },
  ]);
});

test('restart: an address that cannot be had is found while the old one runs', async (t) => {
  const nest = new Nest(t);
  writeApp(nest, 'app.cjs', '');
  const pid = await starts(nest, ['start', '--pidfile', 'd.pid', 'app.cjs']);
  const blocker = createServer().listen(0);
  t.after(() => blocker.close());
  const port = await until('a port', () => (blocker.address() as { port: number } | null)?.port);
  for (const [listen, words] of [
    [`${port}`, /EADDRINUSE/],
    ['192.0.2.1:80', /EADDRNOTAVAIL: .*\n.*this machine has no such address/],
    ['no/where.sock', /ENOENT/],
  ] as const) {
    const args = ['restart', '--pidfile', 'd.pid', '--listen', listen, 'app.cjs'];
    const { code, stderr } = await daemonkit(nest, args);
    assert.match(stderr, words);
    assert.match(stderr, new RegExp(`\nnothing was changed: process ${pid} still runs\n$`));
    assert.equal(code, 111);
    assert.deepEqual(nest.processes(), [pid]);
  }
  const plan = ['plan', '--pidfile', 'p.pid', '--listen', `${port}`, 'app.cjs'];
  const planned = await daemonkit(nest, plan);
  assert.equal(planned.code, 1);
  assert.match(planned.stdout, /^launcher +listen +listen on \d+\n +NOT MET: EADDRINUSE/);
});
