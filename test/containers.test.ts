// Docker's filter of system calls and its capabilities; process 1; a PID namespace with the /proc of another one.
// What is rarer, or dearer, is in long/containers.test.ts.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AS_PROCESS_1, DOCKER, OUTER_PROC } from './tools/contained.js';
import { ask, bothWays, Nest, until } from './tools/daemons.js';
import { needs } from './tools/needs.js';
import { collect } from './tools/output.js';
import { root } from './tools/package.js';
import { Preforked } from './tools/preforked.js';
import { childrenOf, status, threadIds } from './tools/proc.js';
import { fixture } from './tools/run.js';
import { scratch } from './tools/scratch.js';
import { linesOf } from './tools/script.js';

const CLI = fixture('../../lib/cli/bin.js');

test(
  'in a Docker container: fork, pidfiles, change of user',
  needs('root', 'unshare', 'cc'),
  (t) => {
    const said = linesOf<unknown>(
      `import { spawnSync } from 'node:child_process';
    import { pbkdf2 } from 'node:crypto';
    import { promisify } from 'node:util';
    import { Worker } from 'node:worker_threads';
    import { once } from 'node:events';
    const { fork, waitpid, waitpidAsync, _exit } = daemonkit;
    const say = (value) => fs.writeSync(1, JSON.stringify(value) + '\\n');
    say(spawnSync('unshare', ['--net', 'true'], { encoding: 'utf8' }).stderr);
    say(daemonkit.forkSupport());
    const pid = fork();
    if (pid === 0) {
      await promisify(pbkdf2)('a', 'b', 1, 8, 'sha256');
      await once(new Worker('', { eval: true }), 'exit');
      const grandchild = fork();
      if (grandchild === 0) _exit(spawnSync('sh', ['-c', 'exit 5']).status);
      _exit((await waitpidAsync(grandchild)).exitCode);
    }
    say(waitpid(pid).exitCode);
    const pidfile = daemonkit.Pidfile.open(process.argv[1]);
    pidfile.write();
    say(daemonkit.pidfileRead(process.argv[1]).state);
    pidfile.remove();
    if (fork() === 0) {
      daemonkit.dropPrivileges({ user: 'nobody' });
      say(process.getuid());
      const last = fork();
      if (last === 0) _exit(6);
      _exit(waitpid(last).exitCode);
    }
    say(waitpid(-1).exitCode);`,
      { via: DOCKER, args: [join(scratch(t), 'pid')] },
    );
    const refused = 'unshare: unshare failed: Operation not permitted\n';
    const live = { live: true, reasons: [], limits: [] };
    assert.deepEqual(said, [refused, live, 5, 'running', 65534, 6]);
  },
);

bothWays(
  'in a Docker container: a daemon of another user is found by root, who may not look into it',
  async (nest) => {
    const options = { user: 'nobody', noNewPrivileges: true };
    const { pid, port } = await nest.start('serve', options, { under: DOCKER });
    assert.equal((await ask(port)).pid, pid);
    const { CapPrm, CapBnd, Seccomp, NoNewPrivs, Uid } = status(pid);
    assert.deepEqual([CapPrm, CapBnd], ['0000000000000000', '00000000a80425fb']);
    assert.deepEqual([Seccomp, NoNewPrivs, Uid?.split('\t')[1]], ['2', '1', '65534']);
    const [docker = '', ...rest] = [...DOCKER, process.execPath, CLI];
    const command = (...args: string[]) =>
      spawnSync(docker, [...rest, ...args, '--pidfile', nest.pidfile], { encoding: 'utf8' });
    if (nest.strategy === 'fork')
      assert.match(command('status').stdout, new RegExp(`\\b${pid}\\b`));
    assert.equal(command('stop').status, 0);
    assert.deepEqual(nest.processes(), []);
  },
  needs('root', 'cc'),
);

test('process 1 of a Docker container: a master reloads, reaps, and stops by SIGTERM', {
  ...needs('root', 'unshare', 'cc'),
}, async (t) => {
  const options = { workers: 2, user: 'nobody', reapOrphans: true, maxMemory: 2 ** 40 };
  const server = new Preforked(t, { options }, [...AS_PROCESS_1, ...DOCKER]);
  await server.hears('ready');
  const first = childrenOf(server.pid)[0] ?? 0;
  assert.equal(status(first).NSpid, `${first}\t1`);
  const before = await server.ask();
  assert.equal(before.ppid, 1);
  server.kill('SIGHUP', first);
  await server.hears('exit', 2);
  assert.ok(server.exits().every(({ exitCode, reason }) => exitCode === 0 && reason === 'reload'));
  const after = await server.ask();
  assert.deepEqual([after.generation, after.ppid], [before.generation + 1, 1]);
  // Its end, for another program's sake, would be the container's.
  server.kill('SIGUSR2', first);
  const { message } = await server.hears('error');
  assert.match(message, /^ENOTSUP: process 1 cannot be replaced by another process: .*, execve$/);
  assert.equal((await server.ask()).generation, after.generation);
  server.kill('SIGTERM', first);
  assert.deepEqual(await server.ended, [0, null], server.stderr);
  await server.hears('finished');
  assert.equal(server.stderr, '');
});

test("another namespace's /proc: what needs its numbers refuses, or does without", {
  ...needs('root', 'unshare'),
}, (t) => {
  const said = linesOf<unknown>(
    `import { spawn } from 'node:child_process';
    const orphans = await import(${JSON.stringify(new URL('../lib/daemon/orphans.js', import.meta.url).href)});
    const say = (value) => fs.writeSync(1, JSON.stringify(value) + '\\n');
    const code = (call) => { try { return call() ?? 'none'; } catch ({ code, message }) { return [code, message]; } };
    say([process.pid, fs.readlinkSync('/proc/self') !== String(process.pid)]);
    say(daemonkit.forkSupport());
    say(code(() => daemonkit.fork()));
    say(code(() => daemonkit.prefork({ onWorkerStart() {} })));
    say(code(() => daemonkit.reapOrphans()));
    // The outer pids of its children are other processes inside, which would be ended.
    const child = spawn('sleep', ['100']);
    say(orphans.descendants() ?? 'unknown');
    const pidfile = daemonkit.Pidfile.open(process.argv[1]);
    pidfile.write();
    say(daemonkit.pidfileRead(process.argv[1]).state);
    say(code(() => daemonkit.pidfileSignal(process.argv[1], 'SIGKILL')));
    say(daemonkit.supervisor()?.name);
    pidfile.remove();
    child.kill('SIGKILL');`,
    { via: OUTER_PROC, args: [join(scratch(t), 'pid')] },
  );
  const reason = '/proc belongs to another PID namespace';
  const path = (said.at(-2) as string[])[1]?.match(/'.*'$/)?.[0];
  assert.deepEqual(said, [
    [1, true],
    { live: false, reasons: [reason], limits: [] },
    ['ENOTSUP', `ENOTSUP: ${reason}, fork`],
    ['ENOTSUP', `ENOTSUP: ${reason}, fork`],
    ['ENOTSUP', 'ENOTSUP: the children of a process cannot be listed here, waitpid'],
    'unknown',
    'unknown',
    [
      'ESTALE',
      `ESTALE: a process holds the pidfile, which names 1, which is not proven to hold it: /proc is missing, or belongs to another PID namespace, flock ${path}`,
    ],
    'init',
  ]);
});

/** Process 1 is a shell that outlives the launcher, until its standard input ends. */
const below = [...OUTER_PROC, 'sh', '-c', '"$@"; echo "launcher $?"; read line', 'sh'];

test("below another namespace's /proc a daemon is the program, started again", {
  ...needs('root', 'unshare'),
}, async (t) => {
  const nest = new Nest(t);
  const options = { strategy: 'auto', detach: true, noNewPrivileges: true } as const;
  const [unshare = '', ...rest] = [...below, ...nest.command('serve', options)];
  const child = spawn(unshare, rest, { env: nest.env(), stdio: ['pipe', 'pipe', 'pipe'] });
  const output = collect(child);
  await until('the launcher has ended', () => output.stdout.includes('launcher 0'));
  const pid = nest.pid();
  const named = (one: number) => status(one).NSpid?.endsWith(`\t${pid}`);
  const [outside = 0] = nest.processes().filter(named);
  assert.match(
    output.stderr,
    /^daemonkit: the program is started again because .*another PID namespace\n$/,
  );
  // All of its threads, which /proc/self/task lists there with pids of our namespace.
  for (const tid of threadIds(outside)) assert.equal(status(outside, tid).NoNewPrivs, '1');
  await nest.end(outside);
  const ended = once(child, 'exit');
  child.stdin.end();
  await ended;
  assert.deepEqual(nest.processes(), []);
});

test('docs/guide-containers.md: its files are those of examples/, its times fit', () => {
  const text = (name: string) => readFileSync(join(root, name), 'utf8');
  const guide = text('docs/guide-containers.md');
  const blocks = (language: string) =>
    [...guide.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(
      ([, block]) => block,
    );
  const [server, deployment] = [
    text('examples/containers/server.ts'),
    text('examples/containers/deployment.yaml'),
  ];
  assert.equal(blocks('ts')[0], server);
  assert.deepEqual(blocks('dockerfile'), [text('examples/containers/Dockerfile')]);
  assert.deepEqual(blocks('yaml'), [deployment]);
  for (const block of blocks('sh')) {
    assert.equal(spawnSync('sh', ['-n'], { input: block ?? '' }).status, 0, block);
  }
  const number = (of: string, what: RegExp) => Number(what.exec(of)?.[1]?.replace('_', ''));
  const grace = number(deployment, /terminationGracePeriodSeconds: (\d+)/);
  const sleep = number(deployment, /sleep: \{ seconds: (\d+) \}/);
  const stop = number(server, /stopTimeout: ([\d_]+)/) / 1000;
  const idle = number(server, /idleTimeout: ([\d_]+)/) / 1000;
  assert.ok(sleep + stop + 0.5 < grace && idle < stop, `${sleep} + ${stop} + 0.5 < ${grace}`);
  const [period, threshold] = [/periodSeconds: (\d+)/, /failureThreshold: (\d+)/].map((what) =>
    number(deployment.slice(deployment.indexOf('livenessProbe')), what),
  );
  assert.ok(Number(period) * Number(threshold) > 60, 'hangTimeout comes first');
  const [stated] = /--stop-timeout (\d+)/.exec(guide)?.slice(1).map(Number) ?? [];
  assert.ok(Number(stated) > stop + 0.5);
});
