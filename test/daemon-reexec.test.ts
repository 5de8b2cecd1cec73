// What is the strategy reexec's own: the same program, started again; and what prevents that.
import assert from 'node:assert/strict';
import {
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Burrow } from './tools/burrow.js';
import { type LaunchOptions, until } from './tools/daemons.js';
import { needs, needsRoot, needsStrace } from './tools/needs.js';
import { descriptors } from './tools/proc.js';
import { entry } from './tools/script.js';

const SAID = 'daemonkit: the daemon did not start: ';
const NOT_CALLED = 'the script was started again, but had not called becomeDaemon() yet';

test(
  'command line, environment and directory: an ES module with preloads',
  needs('bash'),
  async (t) => {
    const nest = new Burrow(t);
    nest.write('preload.mjs', 'globalThis.marks ??= []; marks.push("import");');
    nest.write('preload.cjs', 'globalThis.marks ??= []; marks.push("require");');
    nest.write('app.mjs', nest.module("process.chdir('/usr');"));
    const env = { EMPTY: '', LINES: 'a\nb=c', NODE_OPTIONS_: '', DAEMONKIT: 'kept' };
    // Not UTF-8; and Nest.env() takes NODE_OPTIONS away.
    const script = `RAW=$(printf 'a\\377') NODE_OPTIONS=--stack-trace-limit=7 exec "$@"`;
    const under = ['bash', '-c', script, 'sh'];
    const args = ['two words', '', '--flag', '-x', 'é'];
    const flags = ['--import', './preload.mjs', '-r', './preload.cjs', '--no-warnings'];
    const command = [...flags, './app.mjs', ...args];
    const run = await nest.twice(command, { cwd: nest.directory, env, under });
    assert.deepEqual(run.argv, [
      realpathSync(process.execPath),
      `${nest.directory}/app.mjs`,
      ...args,
    ]);
    assert.deepEqual(run.execArgv, flags);
    assert.deepEqual([...(run.marks as string[])].sort(), ['import', 'require']);
    assert.equal(run.cwd, nest.directory);
    const { EMPTY, LINES, NODE_OPTIONS } = run.environment as NodeJS.ProcessEnv;
    assert.deepEqual([EMPTY, LINES, NODE_OPTIONS], ['', 'a\nb=c', '--stack-trace-limit=7']);
    const environ = readFileSync(`/proc/${run.pid}/environ`, 'latin1').split('\0');
    assert.ok(environ.includes('RAW=a\xff'), 'byte by byte');
    assert.ok(environ.includes('AGAIN=again'), 'changes of process.env are passed on');
  },
);

test('a CommonJS script through a symbolic link, by a relative path', async (t) => {
  const nest = new Burrow(t);
  mkdirSync(`${nest.directory}/bin`);
  const library = JSON.stringify(fileURLToPath(entry));
  const requires = `const fs = require('node:fs'); const { becomeDaemon } = require(${library});`;
  const program = nest.write('app.cjs', `${requires}\n${nest.source()}`);
  symlinkSync(program, `${nest.directory}/bin/app`);
  const run = await nest.twice(['--no-warnings', 'bin/app', 'word'], { cwd: nest.directory });
  assert.deepEqual(run.argv.slice(1), [`${nest.directory}/bin/app`, 'word']);
});

test('a script of the command line, with arguments', async (t) => {
  const nest = new Burrow(t);
  const flags = ['--input-type=module', '--eval', nest.module()];
  const run = await nest.twice([...flags, '--', '--flag', 'word'], { cwd: nest.directory });
  assert.deepEqual(run.argv.slice(1), ['--flag', 'word']);
  assert.deepEqual(run.execArgv, flags);
});

test('auto: by live fork where there is one, else started again, and says why', async (t) => {
  const nest = new Burrow(t);
  // As pino's transports are: it writes what it is sent to a file.
  const worker = `const { Worker } = await import('node:worker_threads');
    const worker = new Worker("const { parentPort, workerData } = require('node:worker_threads');" +
      "parentPort.on('message', (text) => require('node:fs').appendFileSync(workerData, text))",
      { eval: true, workerData: '${nest.directory}/sent' });
    setInterval(() => worker.postMessage(process.pid + ' '), 20);`;
  const why = 'Worker threads are running (end them first, or pass { workers: true })';
  const said = `daemonkit: the program is started again because there is no live fork: ${why}\n`;
  await nest.twice([nest.write('app.mjs', nest.module(worker, '{}'))], {}, said);
  await nest.end(nest.pid());
  const plan = nest.module(`${worker} console.log(planDaemon()[0].description); process.exit();`);
  assert.ok(
    (await nest.run([process.execPath, nest.write('plan.mjs', plan)])).stdout.includes(why),
  );

  writeFileSync(`${nest.directory}/runs`, '');
  const forked = await nest.run([
    process.execPath,
    nest.write('app.mjs', nest.module(worker, '{ workers: true }')),
  ]);
  assert.deepEqual([forked.code, forked.stderr], [0, '']);
  assert.equal(nest.runs().length, 1);
  const pid = nest.pid();
  const path = `${nest.directory}/sent`;
  const sent = () => (existsSync(path) ? readFileSync(path, 'utf8') : '');
  await until('the Worker goes on in the daemon', () => sent().includes(`${pid} `));
  await nest.end(pid);
  writeFileSync(`${nest.directory}/runs`, '');
  const { code } = await nest.run([process.execPath, nest.write('app.mjs', nest.module('', '{}'))]);
  assert.equal(code, 0);
  assert.equal(nest.runs().length, 1);
});

test(
  'standard input and the REPL cannot be started again: ENOTSUP, and nothing happens',
  needs('bash'),
  async (t) => {
    const nest = new Burrow(t);
    const script = nest.write('app.mjs', nest.module());
    const typed = nest.write('typed', `await import('${script}')\n`);
    const shell = 'exec "$@" < "$0"';
    for (const [words, ...command] of [
      ['a script that comes from standard input cannot be read again', '--input-type=module'],
      ['a script that comes from standard input cannot be read again', '--input-type=module', '-'],
      ['the REPL cannot be started again', '-i'],
    ] as const) {
      const under = ['bash', '-c', shell, command[0] === '-i' ? typed : script];
      const { stdout, stderr } = await nest.run([process.execPath, ...command], { under });
      const said = stdout + stderr;
      assert.ok(said.includes(`ENOTSUP: ${words}, execve`), said);
      assert.match(said, /step: 'fork'/);
      assert.deepEqual([existsSync(nest.pidfile), existsSync(nest.log)], [false, false]);
      assert.deepEqual(nest.processes(), []);
    }
  },
);

test('a script that does not call becomeDaemon() again', async (t) => {
  const nest = new Burrow(t);
  const zero = await nest.refused('if (again) process.exit(0);');
  assert.equal(zero.code, 1);
  assert.equal(zero.stderr, `${SAID}it exited with code 0 before it was ready; ${NOT_CALLED}\n`);
  const throws = await nest.refused("if (again) throw new Error('not twice');");
  assert.match(throws.stderr, /Error: not twice\n\s+at /);
  assert.ok(throws.stderr.endsWith(`it exited with code 1 before it was ready; ${NOT_CALLED}\n`));
  assert.match(nest.logged(), /Error: not twice\n\s+at /, 'the log has it too');
  const killed = await nest.refused("if (again) process.kill(pid, 'SIGKILL');");
  assert.equal(killed.code, 137);
  assert.match(killed.stderr, /it was killed by SIGKILL before it was ready; the script was/);
  const hangs = 'if (again) await new Promise((resolve) => setTimeout(resolve, 1e6));';
  const late = await nest.refused(hangs, "{ strategy: 'reexec', timeout: 300 }");
  assert.equal(
    late.stderr,
    `${SAID}it was not ready within 300 ms, and was ended; ${NOT_CALLED}\n`,
  );
});

test('the launcher tells of each call that fails on the way', needsStrace, async (t) => {
  const nest = new Burrow(t);
  const told = async (before: string, options?: string, more?: LaunchOptions) => {
    const { code, stderr } = await nest.refused(before, options, more);
    assert.equal(code, 1);
    assert.ok(stderr.startsWith(SAID), stderr);
    return stderr.slice(SAID.length);
  };
  assert.equal(
    await told("process.execPath = '/nonexistent';"),
    "step execve: ENOENT: no such file or directory, execve '/nonexistent' (errno 2)\n",
  );
  const plain = nest.write('plain', '');
  assert.equal(
    await told(`process.execPath = '${plain}';`),
    `step execve: EACCES: permission denied, execve '${plain}' (errno 13)\n`,
  );
  mkdirSync(`${nest.directory}/gone`);
  const removes = "process.chdir('/'); fs.rmdirSync(cwd);";
  assert.equal(
    await told(removes, undefined, { cwd: `${nest.directory}/gone` }),
    'step execve: ENOENT: no such file or directory, chdir (errno 2)\n',
  );
  const inject = ['-e', 'inject=setsid:error=EPERM'];
  const under = ['strace', '-f', '-qq', '-o', '/dev/null', ...inject];
  assert.equal(
    await told('', undefined, { under }),
    'step setsid: EPERM: operation not permitted, setsid (errno 1)\n',
  );
  const other = "again ? { pidfile: '/nonexistent/other' } : { strategy: 'reexec' }";
  assert.match(
    await told('', other),
    /^step pidfile: ERR_INVALID_STATE: .*another pidfile: \/nonexistent\/other, not \/.*d\.pid/,
  );
});

test('without a process more: thrown by the launcher; told by the middle', needsRoot, async (t) => {
  const nest = new Burrow(t);
  for (const path of [nest.directory, `${nest.directory}/runs`]) chownSync(path, 54321, 54321);
  // Root has no limit. The first one that lets the launcher fork leaves nothing for the next.
  const exhausts = `process.setgroups([]); process.setgid(54321); process.setuid(54321);
    for (let soft = fs.readdirSync('/proc/self/task').length - 3; ; soft++) {
      setrlimit('NPROC', { soft });
      try {
        becomeDaemon({ strategy: 'reexec', pidfile: '${nest.pidfile}' });
      } catch ({ code, syscall, step }) {
        fs.appendFileSync('${nest.directory}/thrown', [code, syscall, step].join(' ') + '\\n');
        if (code !== 'EAGAIN') throw code;
      }
    }`;
  const { stderr } = await nest.refused(exhausts);
  assert.match(stderr, /did not start: step fork: EAGAIN: .*, fork \(errno 11\)\n$/);
  assert.match(readFileSync(`${nest.directory}/thrown`, 'utf8'), /^(EAGAIN fork fork\n){2,}$/);
});

test('nothing but its own and what is kept is open in the daemon', needs('bash'), async (t) => {
  const nest = new Burrow(t);
  const file = nest.write('file', '');
  // Above 15 Node leaves it without close-on-exec in the launcher; addons may open such too.
  const under = ['bash', '-c', `exec 40>${file} 41>${file}; "$@"; exit $?`, 'sh'];
  const before = `fs.openSync('${file}', 'r'); fs.openSync('${file}', 'r+');`;
  const script = nest.write('app.mjs', nest.module(`if (!again) { ${before} }`));
  const { pid } = await nest.twice([script], { under });
  // It closes its end of the line when the launcher has.
  const open = () => Object.values(descriptors(pid));
  await until('the line is closed', () => !open().some((to) => to.startsWith('socket:')));
  const files = Object.entries(descriptors(pid)).filter(
    ([, to]) => !/^(anon_inode|pipe):/.test(to),
  );
  const numbers = (target: string) => files.filter(([, to]) => to === target).map(([fd]) => fd);
  assert.deepEqual([numbers(nest.log), numbers(nest.pidfile).length], [['1', '2'], 1]);
  // Descriptor 0, and perhaps one that libuv holds for the time when there are no more.
  const nulls = numbers('/dev/null');
  assert.ok(nulls[0] === '0' && nulls.length <= 2, `${nulls}`);
  assert.equal(files.length, 3 + nulls.length, JSON.stringify(files));
  await nest.end(pid);
});

test(
  'closeInherited: false: what was inherited stays, what the launcher has opened does not',
  needs('bash'),
  async (t) => {
    const nest = new Burrow(t);
    const file = nest.write('file', '');
    const under = ['bash', '-c', `exec 40>${file} 41>${file}; "$@"; exit $?`, 'sh'];
    // dup(2) makes a descriptor without close-on-exec.
    const before = `if (!again) dup(fs.openSync('${file}', 'r'));`;
    const options = "{ strategy: 'reexec', closeInherited: false }";
    const script = nest.write('app.mjs', nest.module(before, options));
    const { pid } = await nest.twice([script], { under });
    const open = Object.entries(descriptors(pid)).flatMap(([fd, to]) => (to === file ? fd : []));
    assert.deepEqual(open, ['40', '41']);
  },
);

test('a plan made before the call is that of the call, in both runs', async (t) => {
  const nest = new Burrow(t);
  const plans = `const plan = planDaemon({ strategy: 'reexec', pidfile: '${nest.pidfile}' });
    const steps = plan.map(({ step, precondition }) => step + ' ' + (precondition.message ?? precondition));
    fs.appendFileSync('${nest.directory}/plans', JSON.stringify(steps) + '\\n');`;
  const { pid } = await nest.twice([nest.write('app.mjs', nest.module(plans))]);
  const [first = '', second] = readFileSync(`${nest.directory}/plans`, 'utf8').split('\n');
  assert.equal(second, first);
  assert.ok(first.includes('"pidfile met"'), first);
  assert.doesNotMatch(first, /already running/);
  await nest.end(pid);
});

test(
  'the inheritance is one process’s: others take no notice, and do not see it',
  needs('bash'),
  async (t) => {
    const nest = new Burrow(t);
    const spawns = `const { execFileSync } = await import('node:child_process');
    fs.appendFileSync('${nest.directory}/seen', execFileSync('env'));`;
    const script = nest.write('app.mjs', nest.module(spawns));
    const forged = { channel: 0, relay: 0, socket: '1', pidfile: null, passed: [] };
    for (const value of ['{} 1', '{1} $$', `${JSON.stringify(forged)} $$`]) {
      const shell = `DAEMONKIT_REEXEC='${value.replace('$$', "'$$'")}' exec "$@"`;
      writeFileSync(`${nest.directory}/runs`, '');
      const { pid } = await nest.twice([script], {
        under: ['bash', '-c', shell, 'sh'],
      });
      await nest.end(pid);
    }
    assert.doesNotMatch(readFileSync(`${nest.directory}/seen`, 'utf8'), /DAEMONKIT_REEXEC/);
  },
);

test('a fork that the script makes before the call holds neither pidfile nor launcher', async (t) => {
  const nest = new Burrow(t);
  const forks =
    'if (again && fork() === 0) await new Promise((resolve) => setTimeout(resolve, 1e6));';
  const { pid } = await nest.twice([nest.write('app.mjs', nest.module(forks))]);
  const [child] = nest.processes().filter((other) => other !== pid);
  assert.ok(child !== undefined);
  const targets = Object.values(descriptors(child));
  assert.ok(!targets.includes(nest.pidfile), `${targets}`);
  await nest.end(pid, 'SIGKILL');
  await until('the lock is free', () => !nest.processes().includes(pid));
  assert.equal((await nest.run([process.execPath, `${nest.directory}/app.mjs`])).code, 0);
});
