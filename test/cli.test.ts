// The command `daemonkit`: start, and its output. With the cases of FreeBSD's
// usr.sbin/daemon/tests/daemon_test.sh: chdir, pidfile, lock, newsyslog, output_file, title, user.
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { daemonkit, starts, writeApp } from './tools/cli.js';
import { Nest, until } from './tools/daemons.js';
import { needsRoot } from './tools/needs.js';
import { status } from './tools/proc.js';

test('CommonJS and ES modules run as node would run them', async (t) => {
  const nest = new Nest(t);
  const say = 'console.log(JSON.stringify(process.argv.slice(1)), process.cwd())';
  const sources: Record<string, string> = {
    'app.cjs': `${say}, console.log(require.main === module, __filename)`,
    'plain.js': `${say}, console.log(require.main === module, __filename)`,
    'app.mjs': `await new Promise((r) => setTimeout(r, 100)); ${say}`,
    'esm.js': `await null; ${say}; export {};`,
  };
  for (const [name, source] of Object.entries(sources)) {
    const app = writeApp(nest, name, source);
    const options = ['--pidfile', 'd.pid', '--log', nest.log];
    const given = ['--json', '--log', 'x', '--', 'last'];
    const pid = await starts(nest, ['start', ...options, name, ...given]);
    assert.deepEqual(nest.processes(), [pid]);
    const words = `${JSON.stringify([app, ...given])} /\n`;
    assert.ok(nest.logged().startsWith(words), nest.logged());
    if (source.includes('require')) assert.equal(nest.logged(), `${words}true ${app}\n`);
    await nest.end(pid);
    writeFileSync(nest.log, '');
  }
});

test('chdir, output files, umask, title: as asked', async (t) => {
  const nest = new Nest(t);
  writeApp(nest, 'app.cjs', "console.log('1\\n2'); console.error('3');");
  const { directory } = nest;
  const files = ['--stdout', 'out', '--stderr', 'err', '--pidfile', 'd.pid'];
  const more = ['--cwd', directory, '--umask', '027', '--title', "I'm a title!"];
  const said = { stderr: '3\n' }; // before it was ready
  const pid = await starts(nest, ['start', ...files, ...more, './app.cjs'], said);
  assert.equal(readFileSync(join(directory, 'out'), 'utf8'), '1\n2\n');
  assert.equal(readFileSync(join(directory, 'err'), 'utf8'), '3\n');
  assert.equal(readlinkSync(`/proc/${pid}/cwd`), directory);
  assert.equal(status(pid).Umask, '0027');
  assert.equal(readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')[0], "I'm a title!");
});

test('newsyslog: the log is opened anew at HUP', async (t) => {
  const nest = new Nest(t);
  writeApp(nest, 'app.cjs', "setInterval(() => console.log('my output'), 20);");
  const file = ['--pidfile', 'd.pid'];
  const start = ['start', ...file, '--log', nest.log, '--reopen-on', 'hup', 'app.cjs'];
  await starts(nest, start);
  await until('it writes', () => nest.logged() !== '');
  renameSync(nest.log, `${nest.log}.0`);
  const { code, stdout } = await daemonkit(nest, ['reload', ...file]);
  assert.deepEqual([code, stdout], [0, `SIGHUP sent to process ${nest.pid()}\n`]);
  await until('it writes to the new one', () => existsSync(nest.log) && nest.logged() !== '');
});

test('pidfile and lock: a second start is told of the first', async (t) => {
  const nest = new Nest(t);
  writeApp(nest, 'app.cjs', '');
  const start = ['start', '--pidfile', 'd.pid', 'app.cjs'];
  const pid = await starts(nest, start);
  const second = await daemonkit(nest, start);
  assert.equal(second.code, 1);
  assert.match(second.stderr, new RegExp(`^daemonkit: .*already running as process ${pid},`));
  const [json] = (await daemonkit(nest, ['start', '--json', ...start.slice(1)])).stdout.split('\n');
  const { ok, exitCode, command } = JSON.parse(json ?? '');
  assert.deepEqual({ ok, exitCode, command }, { ok: false, exitCode: 1, command: 'start' });
  assert.deepEqual(nest.processes(), [pid]);
});

test('user: privileges are dropped before the application is loaded', needsRoot, async (t) => {
  const nest = new Nest(t);
  chmodSync(nest.directory, 0o755);
  const { directory } = nest;
  mkdirSync(`${directory}/jail/app`, { recursive: true });
  writeApp(nest, 'jail/app/index.js', 'console.log(process.getuid(), __filename)');
  const jail = ['--chroot', 'jail', '--cwd', '/app', '--user', 'nobody'];
  const start = ['start', '--pidfile', 'd.pid', '--log', nest.log, ...jail];
  const pid = await starts(nest, [...start, 'jail/app']);
  assert.equal(status(pid).Uid, Array(4).fill(65534).join('\t'));
  assert.equal(readlinkSync(`/proc/${pid}/root`), `${directory}/jail`);
  assert.equal(nest.logged(), '65534 /app/index.js\n');
  assert.equal((await daemonkit(nest, ['stop', '--pidfile', 'd.pid'])).code, 0);
  assert.equal(existsSync(nest.pidfile), false, 'stop removes what the daemon could not');
  writeApp(nest, 'outside.cjs', '');
  const outside = await daemonkit(nest, [...start, 'outside.cjs']);
  assert.equal(outside.code, 100);
  assert.match(outside.stderr, /outside\.cjs is not inside of --chroot jail/);
});

test('what the application fails by reaches the launcher, as node tells it', async (t) => {
  const nest = new Nest(t);
  const failures: [name: string, source: string, code: number, words: RegExp][] = [
    [
      'throws.cjs',
      "throw new Error('no luck')",
      1,
      /throw new Error\('no luck'\)[\s\S]*\^\n[\s\S]*Error: no luck/,
    ],
    ['throws.mjs', "await null; throw new Error('no luck')", 1, /Error: no luck/],
    ['missing.mjs', "import './not-there.mjs'", 1, /ERR_MODULE_NOT_FOUND/],
    ['exits.cjs', "console.error('bye'); process.exit(7)", 7, /^bye\n/],
    ['never.mjs', 'await new Promise(() => {})', 1, /not ready within 700 ms/],
    ['fails.mjs', "daemonkit.currentDaemon().fail(new Error('later'))", 1, /start: later/],
  ];
  for (const [name, source, code, words] of failures) {
    writeApp(nest, name, source);
    const timeout = name.startsWith('never') ? '0.7' : '20';
    for (const strategy of code === 7 ? ['fork', 'reexec'] : ['fork']) {
      const options = ['--pidfile', 'd.pid', '--timeout', timeout, '--strategy', strategy];
      const ran = await daemonkit(nest, ['start', ...options, name]);
      assert.equal(ran.code, code, ran.stderr);
      assert.match(ran.stderr, words);
      assert.match(ran.stderr, /daemonkit: the daemon did not start: /);
      assert.deepEqual(nest.processes(), []);
      assert.equal(existsSync(nest.pidfile), false);
    }
  }
});

test('ready: import waits for the module, manual for ready(), detached for nothing', async (t) => {
  const nest = new Nest(t);
  writeApp(nest, 'late.mjs', 'setTimeout(() => daemonkit.currentDaemon().ready(), 300);');
  writeApp(nest, 'never.mjs', 'await new Promise(() => {});');
  const start = ['start', '--pidfile', 'd.pid'];
  const before = performance.now();
  assert.equal((await daemonkit(nest, [...start, '--ready', 'manual', 'late.mjs'])).code, 0);
  assert.ok(performance.now() - before >= 300);
  await nest.end(nest.pid());
  assert.equal((await daemonkit(nest, [...start, '--ready', 'detached', 'never.mjs'])).code, 0);
  await nest.end(nest.pid());
});

test('an application that calls becomeDaemon() is told that it is a daemon already', async (t) => {
  const nest = new Nest(t);
  const call = "daemonkit.becomeDaemon({ ready: 'manual' })";
  writeApp(nest, 'again.mjs', `${call};`);
  writeApp(nest, 'either.mjs', `(daemonkit.currentDaemon() ?? ${call}).ready();`);
  const start = ['start', '--pidfile', 'd.pid', '--ready', 'manual'];
  const { code, stderr } = await daemonkit(nest, [...start, 'again.mjs']);
  assert.equal(code, 1);
  assert.match(stderr, /^Error \[ERR_INVALID_STATE\]: .*this process is a daemon already, /m);
  assert.deepEqual(nest.processes(), []);
  assert.equal(existsSync(nest.pidfile), false);
  await nest.end(await starts(nest, [...start, 'either.mjs']));
});

test('--foreground: one process, its output on the terminal', async (t) => {
  const nest = new Nest(t);
  writeApp(nest, 'app.cjs', "console.log('here'); setTimeout(() => process.exit(5), 200);");
  const ran = await daemonkit(nest, ['start', '--foreground', '--pidfile', 'd.pid', 'app.cjs']);
  assert.deepEqual(ran, { code: 5, stdout: 'here\n', stderr: '' });
  assert.equal(existsSync(nest.pidfile), false);
});

test('re-exec: the same command line, with options and arguments', async (t) => {
  const nest = new Nest(t);
  writeApp(nest, 'app.cjs', 'console.log(process.argv.slice(2))');
  const options = ['--pidfile', 'd.pid', '--log', nest.log, '--strategy', 'reexec', '--json'];
  const { code, stdout } = await daemonkit(nest, ['start', ...options, 'app.cjs', '--log', 'z']);
  const { pid, ...rest } = JSON.parse(stdout);
  assert.deepEqual([code, pid], [0, nest.pid()]);
  const named = { name: 'app', path: nest.pidfile };
  assert.deepEqual(rest, { command: 'start', ok: true, exitCode: 0, ...named });
  assert.equal(nest.logged(), "[ '--log', 'z' ]\n");
});

test('plan: every step; exit code 1 if one cannot be taken', async (t) => {
  const nest = new Nest(t);
  writeApp(nest, 'app.cjs', '');
  const plan = ['plan', '--pidfile', 'd.pid'];
  const good = await daemonkit(nest, [...plan, 'app.cjs']);
  assert.equal(good.code, 0);
  assert.match(good.stdout, /^launcher +fork .*\n(.*\n)*daemon +pidfile .*\n(.*\n)*daemon +ready /);
  const bad = await daemonkit(nest, [...plan, '--log', 'no/log', '--json', 'app.cjs']);
  assert.equal(bad.code, 1);
  const { steps } = JSON.parse(bad.stdout);
  const [stdio] = steps.filter(({ step }: { step: string }) => step === 'stdio');
  assert.equal(stdio.precondition.code, 'ENOENT');
  assert.deepEqual(nest.processes(), []);
  assert.equal(existsSync(nest.pidfile), false);
});

test('usage errors: 100; system errors: 111; nothing is started', async (t) => {
  const nest = new Nest(t);
  writeApp(nest, 'app.cjs', '');
  mkdirSync(join(nest.directory, 'empty'));
  const file = ['--pidfile', 'x'];
  const wrong: [args: string[], code: number, words: RegExp][] = [
    [[], 100, /which command\? One of start, stop, restart, reload, upgrade, status, plan$/m],
    [['begin'], 100, /there is no command 'begin'$/m],
    [['strat'], 100, /there is no command 'strat'; did you mean start\?/],
    [['start'], 100, /which application/],
    [['start', 'none.js'], 100, /there is no application .*none\.js$/m],
    [['start', 'empty'], 100, /empty: it is a directory without an index\.js/],
    [['start', '--pidfil', 'x', 'app.cjs'], 100, /no option --pidfil; did you mean --pidfile\?/],
    [['start', '--constructor', 'app.cjs'], 100, /there is no option --constructor$/m],
    [['start', '-p', 'x', 'app.cjs'], 100, /there is no option -p$/m],
    [['start', '--json=1', 'app.cjs'], 100, /--json takes no value, but got '1'/],
    [['start', '--log', 'a', '--log', 'b', 'app.cjs'], 100, /--log is given twice/],
    [['start', '--title', '-x', 'app.cjs'], 100, /'-x' looks like an option; write --title=-x/],
    [['start', '--umask', '9', 'app.cjs'], 100, /--umask: '9' is not an octal/],
    [
      ['start', '--timeout', 'soon', 'app.cjs'],
      100,
      /--timeout: 'soon' is not a number of seconds/,
    ],
    [['start', '--timeout', '0', 'app.cjs'], 100, /--timeout: '0' is not a number of seconds/],
    [['start', '--ready', 'soon', 'app.cjs'], 100, /--ready: 'soon' is not one of import, manual/],
    [['start', '--strategy', 'x', 'app.cjs'], 100, /--strategy: 'x' is not one of auto, fork/],
    [['start', '--log', '', 'app.cjs'], 100, /--log: it is empty/],
    [['start', '--user', '', 'app.cjs'], 100, /--user: it is empty/],
    [['start', '--user', '9999999999', 'app.cjs'], 100, /--user is out of range/],
    [['start', '--reopen-on', 'KILL', 'app.cjs'], 100, /--reopen-on cannot be caught/],
    [['start', '--reopen-on', 'HPU', 'app.cjs'], 100, /'HPU' is not a signal; did you mean HUP\?/],
    [['start', '--env', 'X', 'app.cjs'], 100, /--env: 'X' is not NAME=VALUE/],
    [['start', '--env', '=x', 'app.cjs'], 100, /--env: '=x' is not NAME=VALUE/],
    [['start', '--listen', 'http', 'app.cjs'], 100, /--listen: 'http' is not PORT, HOST:PORT/],
    [['start', '--listen', '70000', 'app.cjs'], 100, /PORT is up to 65535/],
    [['start', '--listen', 'localhost:80', 'app.cjs'], 100, /HOST an IP address/],
    [['start', '--listen', '::1:80', 'app.cjs'], 100, /--listen: '::1:80' is not PORT/],
    [['start', '--detach', '--foreground', 'app.cjs'], 100, /exclude each other/],
    [['start', '--name', 'a', '--pidfile', 'b', 'app.cjs'], 100, /exclude each other/],
    [['start', '--name', 'a/b', 'app.cjs'], 100, /--name: 'a\/b' is not a name/],
    [['start', '--name', '', 'app.cjs'], 100, /--name: '' is not a name/],
    [['stop'], 100, /which daemon\? Give --name or --pidfile/],
    [['stop', ...file, 'more'], 100, /too many arguments/],
    [['stop', ...file, '--retry', 'TERM'], 100, /SIGNAL\/SECONDS/],
    [['stop', ...file, '--retry', 'FOO/1'], 100, /--retry: 'FOO' is not a signal/],
    [['stop', ...file, '--retry', 'TERM/1', '--timeout', '1'], 100, /exclude each other/],
    [['reload', ...file, '--signal', 'HPU'], 100, /--signal: 'HPU' is not a signal; did you/],
    [['status', '--pidfile'], 100, /--pidfile needs a value: FILE/],
    [
      ['start', '--log', 'no/log', ...file, 'app.cjs'],
      111,
      /step stdio: ENOENT: .*no\/log.*errno 2/,
    ],
    [
      ['start', '--pidfile', 'no/x', 'app.cjs'],
      111,
      /step pidfile: .*\n.*make the directory first/,
    ],
    [['start', '--user', 'nobody-at-all', ...file, 'app.cjs'], 111, /no such user: nobody-at-all/],
  ];
  const runs = wrong.map(async ([args, code, words]) => {
    const ran = await daemonkit(nest, args);
    assert.deepEqual([ran.code, ran.stdout], [code, ''], `${args}: ${ran.stderr}`);
    assert.match(ran.stderr, words);
    assert.match(ran.stderr, /^daemonkit: /);
  });
  for (const run of runs) await run;
  const json = await daemonkit(nest, ['stop', '--json']);
  assert.deepEqual([JSON.parse(json.stdout).exitCode, json.stderr], [100, '']);
  assert.deepEqual(nest.processes(), []);
});

test('--help and --version', async (t) => {
  const nest = new Nest(t);
  const help = await daemonkit(nest, ['--help']);
  assert.match(help.stdout, /^Usage: daemonkit start/);
  assert.equal((await daemonkit(nest, ['stop', '--help'])).stdout, help.stdout);
  assert.match((await daemonkit(nest, ['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
});
