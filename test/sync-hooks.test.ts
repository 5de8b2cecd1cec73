// Functions that are not awaited must not return a promise; and readiness that cannot be reported.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { atFork, planDaemon, startWatchdog } from 'daemonkit';
import { Nest } from './tools/daemons.js';
import { needsRoot } from './tools/needs.js';
import { scratch } from './tools/scratch.js';
import { linesOf, scriptCommand } from './tools/script.js';

const never = async () => assert.fail('it was called');

test('async functions are refused by the name of the option, before anything happens', () => {
  const error = (name: string) => ({
    name: 'TypeError',
    code: 'ERR_INVALID_ARG_VALUE',
    message: new RegExp(`'${name}' must not be an async function`),
  });
  const options: [object, string][] = [
    [{ privileged: never }, 'options.privileged'],
    [{ watchdog: never }, 'options.watchdog'],
  ];
  for (const [given, name] of options) {
    assert.throws(() => planDaemon(given as never), error(name));
  }
  assert.throws(() => startWatchdog({ healthy: never as never }), error('options.healthy'));
  for (const phase of ['before', 'parent', 'child']) {
    assert.throws(() => atFork({ [phase]: never }), error(`hooks.${phase}`));
  }
});

test(
  'a hook that returns a promise ends the start at its step, and runs nothing as the user',
  needsRoot,
  async (t) => {
    const nest = new Nest(t);
    const [said, log] = [`${nest.directory}/said`, nest.log].map((path) => JSON.stringify(path));
    const source = `const say = (word) => fs.appendFileSync(${said}, word + process.getuid() + ' ');
    daemonkit.becomeDaemon({ detach: true, user: 'nobody', log: ${log},
      privileged: () => Promise.resolve(say('hook')).then(() => say('later')) });
    say('daemon');`;
    const { code, stderr } = await nest.run(scriptCommand(source));
    assert.equal(code, 1);
    assert.match(
      stderr,
      /step privileged: .*ERR_INVALID_ARG_VALUE.*'options.privileged' must not return a promise/,
    );
    assert.equal(readFileSync(`${nest.directory}/said`, 'utf8'), 'hook0 ');
    assert.deepEqual(nest.processes(), []);
  },
);

test('what a fork hook returns as a promise is an error of the fork', () => {
  const lines = linesOf<unknown>(
    `const { atFork, fork, waitpid } = daemonkit;
    const say = (value) => fs.writeSync(1, JSON.stringify(value) + '\\n');
    const me = process.pid;
    for (const phase of ['before', 'parent', 'child']) {
      const hook = atFork({ [phase]: () => ({ then(done) { done(); } }) });
      let caught, pid;
      try { pid = fork(); } catch (error) { caught = error; }
      const here = process.pid === me;
      if (!here) { if (caught !== undefined) say([phase, 'in the child', caught.code]); process.exit(0); }
      hook[Symbol.dispose]();
      const child = pid ?? caught.pid;
      if (child !== undefined) waitpid(child);
      say([phase, caught?.code, child !== undefined]);
    }`,
  );
  const code = 'ERR_INVALID_ARG_VALUE';
  assert.deepEqual(lines, [
    ['before', code, false],
    ['parent', code, true],
    ['child', 'in the child', code],
    ['child', null, true],
  ]);
});

test('healthy() is asked for true: a promise, and whatever else is true, gives no sign and is told once', (t) => {
  const socket = `${scratch(t)}/notify`;
  const manager = `import os, socket, subprocess, sys
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); server.bind(sys.argv[1])
child = subprocess.Popen(sys.argv[2:], env={**os.environ, 'NOTIFY_SOCKET': sys.argv[1], 'WATCHDOG_USEC': '20000'}, stderr=subprocess.PIPE)
said = child.communicate()[1].decode()
server.settimeout(0.1)
signs = 0
try:
    while True:
        signs += b'WATCHDOG=1' in server.recv(4096)
except socket.timeout:
    pass
print(signs); print(said, end='')`;
  const told = (healthy: string) => {
    const source = `const seen = []; daemonkit.startWatchdog({ healthy: () => { seen.push(1); return ${healthy} } });
      while (seen.length < 5) await new Promise((resolve) => setTimeout(resolve, 5));`;
    const args = ['-c', manager, `${socket}${Math.random()}`, ...scriptCommand(source)];
    return execFileSync('python3', args, { encoding: 'utf8' });
  };
  const words = 'daemonkit: healthy() returns a promise, which counts as not healthy\n';
  assert.equal(told('Promise.reject(new Error())'), `0\n${words}`);
  assert.equal(told('1'), '0\n');
  assert.ok(Number(told('true')) >= 5);
});

test('readiness that could not be told can be told again, and a start that failed for it tried again', (t) => {
  const directory = scratch(t);
  const pidfile = JSON.stringify(`${directory}/pid`);
  const lines = linesOf<unknown>(
    `import { execFileSync } from 'node:child_process';
    const { becomeDaemon, planDaemon, currentDaemon } = daemonkit;
    const fifo = ${JSON.stringify(`${directory}/fifo`)};
    execFileSync('mkfifo', [fifo]);
    const open = (mode) => fs.openSync(fifo, mode);
    const say = (value) => fs.writeSync(1, JSON.stringify(value) + '\\n');
    const said = (call) => { try { call(); return 'done' } catch ({ code, step, syscall }) { return [code, step, syscall] } };
    const listeners = () => ['SIGTERM', 'exit'].map((name) => process.listenerCount(name));
    const before = listeners();
    let reader = open('r+');
    const writer = open('w');
    fs.closeSync(reader);
    const options = { detach: false, notifyFd: writer, pidfile: ${pidfile}, env: 'keep', ready: 'manual' };
    // It has no reader: nothing starts.
    say(said(() => becomeDaemon(options)));
    say(planDaemon(options).find(({ step }) => step === 'notify').precondition.code);
    say([currentDaemon() === undefined, fs.existsSync(${pidfile}), String(listeners()) === String(before)]);
    // Its reader ends during the call.
    reader = open(fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    const daemon = becomeDaemon(options);
    fs.closeSync(reader);
    say([said(() => daemon.ready()), said(() => daemon.ready()), fs.existsSync(${pidfile})]);
    reader = open(fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    say([said(() => daemon.ready()), said(() => daemon.ready()), fs.readFileSync(reader, 'utf8')]);
    daemon[Symbol.dispose]();
    say([fs.existsSync(${pidfile}), String(listeners()) === String(before)]);
    process.exit(0);`,
  );
  const nobody = ['EPIPE', null, 'write'];
  assert.deepEqual(lines, [
    ['EPIPE', 'notify', 'write'],
    'EPIPE',
    [true, false, true],
    [nobody, nobody, true],
    ['done', 'done', '\n'],
    [false, true],
  ]);
  assert.equal(existsSync(`${directory}/pid`), false);
});

test('a start in the foreground that fails at its last step leaves no daemon, and can be tried again', (t) => {
  const directory = scratch(t);
  const lines = linesOf<unknown>(
    `import { execFileSync } from 'node:child_process';
    const { becomeDaemon, currentDaemon } = daemonkit;
    const fifo = ${JSON.stringify(`${directory}/fifo`)};
    execFileSync('mkfifo', [fifo]);
    let reader = fs.openSync(fifo, 'r+');
    const writer = fs.openSync(fifo, 'w');
    const count = () => ['SIGTERM', 'SIGHUP', 'exit'].map((name) => process.listenerCount(name)).join();
    // libuv's own for signals are there from now on.
    process.on('SIGUSR2', () => {});
    const [before, open] = [count(), fs.readdirSync('/proc/self/fd').length];
    const options = { detach: false, env: 'keep', ready: 'detached', reopenOn: 'SIGHUP', notifyFd: writer,
      pidfile: ${JSON.stringify(`${directory}/pid`)} };
    const told = [];
    // The hook is called after the check, and before the last step.
    try { becomeDaemon({ ...options, privileged: () => fs.closeSync(reader) }) }
    catch ({ code, step }) { told.push(code, step); }
    told.push(currentDaemon() === undefined, fs.existsSync(options.pidfile), count() === before,
      fs.readdirSync('/proc/self/fd').length - open);
    reader = fs.openSync(fifo, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    becomeDaemon(options);
    told.push(fs.readFileSync(reader, 'utf8'), fs.existsSync(options.pidfile));
    console.log(JSON.stringify(told));
    process.exit(0);`,
  );
  // One descriptor less: that of the reader.
  assert.deepEqual(lines, [['EPIPE', 'ready', true, false, true, -1, '\n', true]]);
});
