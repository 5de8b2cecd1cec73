// The small and the production program of each kind in examples/ does what it says.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Nest, until } from './tools/daemons.js';
import { needsRoot } from './tools/needs.js';
import { collect } from './tools/output.js';
import { freePort } from './tools/port.js';
import { childrenOf } from './tools/proc.js';

const SOURCES = fileURLToPath(new URL('../../examples', import.meta.url));
const program = (name: string) => fileURLToPath(new URL(`../examples/${name}.js`, import.meta.url));
const command = (name: string, ...args: string[]) => [process.execPath, program(name), ...args];

/** What the server says, as soon as it says something that fits. */
async function answer(port: number, fits: RegExp = /./): Promise<string> {
  for (const end = performance.now() + 60_000; performance.now() < end; await sleep(20)) {
    const request = { headers: { connection: 'close' }, signal: AbortSignal.timeout(10_000) };
    const text = await fetch(`http://127.0.0.1:${port}/`, request).then(
      (response) => response.text(),
      () => '',
    );
    if (fits.test(text)) return text;
  }
  assert.fail(`nothing on port ${port} says ${fits}`);
}

/** A program in the foreground, one of the nest's. */
function started(nest: Nest, name: string, args: string[] = [], env: NodeJS.ProcessEnv = {}) {
  const [node = '', ...rest] = command(name, ...args);
  const child = spawn(node, rest, { env: nest.env(env), stdio: ['ignore', 'pipe', 'pipe'] });
  const output = collect(child);
  return { child, output, ended: once(child, 'close') };
}

/** A directory that another user can be sent to as its root. */
function rootIn(nest: Nest): string {
  chmodSync(nest.directory, 0o755);
  const root = join(nest.directory, 'root');
  mkdirSync(root);
  return root;
}

const onlyOne = (nest: Nest): number => {
  const [pid, ...others] = nest.processes();
  assert.deepEqual(others, []);
  return pid ?? 0;
};

const gone = (nest: Nest) => until('nothing is left', () => nest.processes().length === 0);

test('they use what everybody has: daemonkit and node: alone', () => {
  const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' });
  for (const file of files.filter((name) => name.endsWith('.ts'))) {
    const source = readFileSync(join(SOURCES, file), 'utf8');
    for (const [, from] of source.matchAll(/(?:from|import)\s*\(?'([^']+)'/g)) {
      assert.match(from ?? '', /^(daemonkit$|node:)/, file);
    }
  }
  const recipe = readFileSync(join(SOURCES, 'recipe/minimal.ts'), 'utf8').split('\n');
  const lines = recipe.filter((line) => line !== '' && !line.startsWith('//'));
  assert.equal(lines.length, 12);
});

test('recipe/minimal: the shell has its prompt, the server its root', needsRoot, async (t) => {
  const nest = new Nest(t);
  const [ROOT, port] = [rootIn(nest), await freePort()];
  const env = { ROOT, PORT: `${port}` };
  const { code } = await nest.run(command('recipe/minimal'), { env });
  assert.equal(code, 0);
  const pid = Number((await answer(port)).split(' ')[1]);
  assert.deepEqual([pid, readlinkSync(`/proc/${pid}/root`)], [onlyOne(nest), ROOT]);
  await nest.end(pid, 'SIGHUP');
});

test('prefork/minimal', async (t) => {
  const nest = new Nest(t);
  const port = await freePort();
  const { child, output, ended } = started(nest, 'prefork/minimal', [], { PORT: `${port}` });
  const pid = Number((await answer(port)).split(' ')[1]);
  await until('four workers', () => childrenOf(child.pid as number).length === 4);
  assert.ok(childrenOf(child.pid as number).includes(pid));
  child.kill();
  assert.deepEqual(await ended, [0, null]);
  assert.deepEqual(output, { stdout: '', stderr: '' });
});

test('prefork/watched: tells of what hangs, and how the workers are', async (t) => {
  const nest = new Nest(t);
  const port = await freePort();
  const env = { PORT: `${port}`, WORKERS: '2', HANG_TIMEOUT: '300' };
  const { child, output, ended } = started(nest, 'prefork/watched', [], env);
  const said = (what: RegExp) => until(`${what}`, () => what.exec(output.stdout));
  await said(/^ready: process (\d+)$/m);
  const asked = get({ host: '127.0.0.1', port, path: '/hang', agent: false });
  await once(asked, 'error');
  const [, , pid = ''] = await said(/^worker (\d) \((\d+)\) hangs: \d+ ms$/m);
  await said(new RegExp(`^worker \\d \\(${pid}\\): ended$`, 'm'));
  await until('another has its seat', () => output.stdout.match(/: ready$/gm)?.length === 3);
  child.kill('SIGUSR1');
  const row = await said(/^.*'ready'.*$/m);
  assert.ok(!row[0].includes(pid));
  child.kill();
  assert.deepEqual(await ended, [0, null], output.stderr);
});

test(
  'prefork/production: another user, a configuration that is loaded anew',
  needsRoot,
  async (t) => {
    const nest = new Nest(t);
    chmodSync(nest.directory, 0o755);
    const [CONFIG, port] = [join(nest.directory, 'config.json'), await freePort()];
    const { pidfile: PIDFILE, log: LOG } = nest;
    const env = { CONFIG, PIDFILE, LOG, PORT: `${port}`, ACCOUNT: 'nobody', WORKERS: '2' };
    writeFileSync(CONFIG, '{ "greeting": "hello" }');
    const launch = await nest.run(command('prefork/production'), { env });
    assert.deepEqual([launch.code, launch.stderr], [0, '']);
    assert.match(await answer(port), /^hello from process \d+, user 65534\n$/);
    const pid = nest.pid();
    writeFileSync(CONFIG, '{ "greeting": ');
    process.kill(pid, 'SIGHUP');
    await until('the reload has failed', () => /JSON/.test(nest.logged()));
    assert.match(await answer(port), /^hello/);
    writeFileSync(CONFIG, '{ "greeting": "good day" }');
    process.kill(pid, 'SIGHUP');
    await answer(port, /^good day from process/);
    await nest.end(pid);
    assert.match(nest.logged(), /no worker is left\n$/);
    assert.deepEqual([nest.processes(), existsSync(PIDFILE)], [[], false]);
  },
);

test('low-port/minimal', needsRoot, async (t) => {
  const nest = new Nest(t);
  const [ROOT, port] = [rootIn(nest), await freePort()];
  const env = { ROOT, PORT: `${port}`, ACCOUNT: 'nobody' };
  const launch = await nest.run(command('low-port/minimal'), { env });
  assert.deepEqual([launch.code, launch.stdout, launch.stderr], [0, '', '']);
  assert.equal(await answer(port), 'user 65534\n');
  const pid = onlyOne(nest);
  assert.equal(readlinkSync(`/proc/${pid}/root`), ROOT);
  await nest.end(pid);
});

test('low-port/production: reload, log rotation, and a stop that tells', needsRoot, async (t) => {
  const nest = new Nest(t);
  const [ROOT, port] = [rootIn(nest), await freePort()];
  const [log, page] = [join(ROOT, 'hello.log'), join(ROOT, 'index.html')];
  const env = { ROOT, PORT: `${port}`, PIDFILE: nest.pidfile, ACCOUNT: 'nobody' };
  // The other user must be able to make the log again.
  chmodSync(ROOT, 0o1777);
  const lost = await nest.run(command('low-port/production'), { env });
  assert.equal(lost.code, 1);
  assert.match(lost.stderr, /ENOENT.*index\.html/);
  writeFileSync(page, 'first');
  const launch = await nest.run(command('low-port/production'), { env });
  assert.deepEqual([launch.code, launch.stderr], [0, '']);
  assert.equal(await answer(port), 'first');
  const pid = nest.pid();
  renameSync(log, `${log}.1`);
  process.kill(pid, 'SIGUSR1');
  await until('the log is made anew', () => existsSync(log));
  writeFileSync(page, 'second');
  process.kill(pid, 'SIGHUP');
  await answer(port, /^second$/);
  assert.match(readFileSync(`${log}.1`, 'utf8'), /^(.*\n)*GET \/\n/);
  const stop = await nest.run(command('low-port/production', 'stop'), { env });
  assert.deepEqual([stop.code, stop.stdout], [0, `${pid}: ended\n`]);
  const again = await nest.run(command('low-port/production', 'stop'), { env });
  assert.deepEqual([again.code, again.stdout], [0, 'nobody: none\n']);
  assert.deepEqual(nest.processes(), []);
});

test('job-runner/minimal: until it is time to die', async (t) => {
  const nest = new Nest(t);
  writeFileSync(join(nest.directory, 'a.job'), 'abc');
  const { child, output, ended } = started(nest, 'job-runner/minimal', [nest.directory]);
  await until('a job is done', () => output.stdout === 'a.job: 3 characters\n');
  writeFileSync(join(nest.directory, 'b.tmp'), '');
  renameSync(join(nest.directory, 'b.tmp'), join(nest.directory, 'b.job'));
  await until('another one', () => output.stdout.endsWith('b.job: 0 characters\n'));
  child.kill();
  assert.deepEqual(await ended, [0, null]);
  assert.match(output.stdout, /\ntime to die\n$/);
  assert.deepEqual(readdirSync(nest.directory), []);
});

test('job-runner/production: jobs in forks, and those under way are finished', async (t) => {
  const nest = new Nest(t);
  const file = (name: string) => join(nest.directory, name);
  for (const [name, text] of Object.entries({ a: '10', b: 'fail', c: '20' })) {
    writeFileSync(file(`${name}.job`), text);
  }
  const env = {};
  const launch = await nest.run(command('job-runner/production', nest.directory), { env });
  assert.deepEqual([launch.code, launch.stderr], [0, '']);
  const pid = Number(readFileSync(file('runner.pid'), 'utf8'));
  await until('all have ended', () => existsSync(file('c.done')) && existsSync(file('b.failed')));
  assert.match(readFileSync(file('a.result'), 'utf8'), /^10 ms in process \d+\n$/);
  writeFileSync(file('d.tmp'), '700');
  renameSync(file('d.tmp'), file('d.job'));
  await until('it runs', () => existsSync(file('d.running')));
  process.kill(pid, 'SIGTERM');
  writeFileSync(file('e.job'), '1');
  await gone(nest);
  assert.deepEqual(readdirSync(nest.directory).sort(), [
    'a.done',
    'a.result',
    'b.failed',
    'c.done',
    'c.result',
    'd.done',
    'd.result',
    'e.job',
    'runner.log',
  ]);
  assert.match(
    readFileSync(file('runner.log'), 'utf8'),
    /b: Error: fail\n(.*\n)*d: 0\ntime to die\n$/,
  );
});

/** What a wrapper makes of a command line, with descriptor 3 and 9 left open by the caller. */
function wrapped(t: TestContext, name: string, args: string[], before = ':') {
  const script = `exec 3</etc/passwd 9</etc/passwd; ${before}; exec "$@"`;
  const { HOME, PATH } = process.env;
  const ran = spawnSync('sh', ['-c', script, 'sh', ...command(name, ...args)], {
    encoding: 'utf8',
    env: { HOME, PATH },
    timeout: 60_000,
  });
  t.diagnostic(`${name} ${args.join(' ')}: ${ran.status}`);
  return ran;
}

const LIST = 'cd /proc/$$/fd; for fd in 3 9; do [ -e $fd ] && echo $fd; done; :';

test('wrapper/minimal', (t) => {
  const { status, stdout, stderr } = wrapped(t, 'wrapper/minimal', ['/bin/sh', '-c', LIST]);
  assert.deepEqual([status, stdout, stderr], [0, '', '']);
});

test('wrapper/production', needsRoot, (t) => {
  const shell = (script: string) => ['--', 'sh', '-c', script];
  const options = ['--env', 'A=b=c', '--nofile', '77', '--user', 'nobody'];
  const seen = `${LIST}; ulimit -n; id -u; echo $A $HOME; exit 5`;
  const plain = wrapped(t, 'wrapper/production', [...options, ...shell(seen)]);
  assert.deepEqual([plain.status, plain.stdout, plain.stderr], [5, '77\n65534\nb=c\n', '']);
  const passed = wrapped(
    t,
    'wrapper/production',
    shell(`${LIST}; [ $LISTEN_PID = $$ ] && echo $LISTEN_FDS`),
    'export LISTEN_PID=$$ LISTEN_FDS=1',
  );
  assert.deepEqual([passed.status, passed.stdout], [0, '3\n1\n']);
  for (const [what, code] of [
    ['no-such-program', 127],
    ['/no/such/program', 127],
    ['/etc/passwd', 126],
  ] as const) {
    const { status, stderr } = wrapped(t, 'wrapper/production', ['--', what]);
    assert.equal(status, code, stderr);
    assert.match(stderr, /^wrapper: /);
  }
  assert.equal(wrapped(t, 'wrapper/production', ['--user', 'nosuch', '--', 'true']).status, 125);
});
