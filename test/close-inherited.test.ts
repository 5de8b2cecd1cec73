// closeInherited() after a starter that leaks: what it closes, and what is the program's own.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Nest, until } from './tools/daemons.js';
import { leaking, said, tools, worker } from './tools/leaking.js';
import { needs } from './tools/needs.js';
import { scratch } from './tools/scratch.js';
import { entry } from './tools/script.js';

test('closeInherited: from, keep, dryRun, and what it returns', () => {
  const lines = said(
    `const fds = (list) => list.map(({ fd }) => fd);
    say(fds(closeInherited({ dryRun: true })));
    say(closeInherited({ dryRun: true, from: 92, keep: [93] }));
    say(fds(closeInherited({ from: 91, keep: [93] })));
    say([90, 91, 92, 93].map((fd) => native.closeOnExec(fd) >= 0));
    say(fds(closeInherited()));
    say(fds(closeInherited()));`,
    { via: leaking('file=90', 'file=91', 'file=92', 'file=93') },
  );
  const flags = { cloexec: false, inherited: true, runtime: false };
  assert.deepEqual(lines, [
    [90, 91, 92, 93],
    [{ fd: 92, target: '/etc/passwd', type: 'file', ...flags }],
    [91, 92],
    [true, false, false, true],
    [90, 93],
    [],
  ]);
});

test('closeInherited leaves what the program has opened since, also at a number that was leaked', () => {
  const lines = said(
    `fs.closeSync(90); const mine = fs.openSync('/etc/group'); dup2(mine, 90);
    say(closeInherited().map(({ fd }) => fd));
    say(of(90).target);`,
    { via: leaking('file=90') },
  );
  assert.deepEqual(lines, [[], '/etc/group']);
});

test('closeInherited leaves LISTEN_FDS if they are for this process, unless told otherwise', () => {
  const source = `const fds = (options) => closeInherited({ dryRun: true, ...options }).map(({ fd }) => fd);
    say(fds()); say(fds({ listenFds: true }));
    const pid = fork(); if (pid === 0) { say(fds()); _exit(0); } waitpid(pid);`;
  const via = leaking('socket=3', 'socket=4', 'file=5');
  const env = { ...process.env, LISTEN_FDS: '2', LISTEN_PID: '' };
  assert.deepEqual(said(source, { via, env }), [[5], [3, 4, 5], [5]]);
  const others = { ...process.env, LISTEN_FDS: '2', LISTEN_PID: '1' };
  assert.deepEqual(said(source, { via, env: others }), [
    [3, 4, 5],
    [3, 4, 5],
    [3, 4, 5],
  ]);
});

test('closeInherited leaves an inherited socket that the script serves, paused or not', () => {
  const lines = said(
    `import net from 'node:net';
    const paused = new net.Socket({ fd: 90 });
    const read = new net.Socket({ fd: 91 }).on('data', () => {});
    say(closeInherited().map(({ fd }) => fd));
    paused.destroy(); read.destroy();`,
    { via: leaking('socket=90', 'socket=91', 'file=92') },
  );
  assert.deepEqual(lines, [[92]]);
});

test('fs, net, child_process and Workers work after closeInherited, in a child of fork() too', () => {
  const use = `async function use() {
      const server = net.createServer((socket) => socket.end('served')).listen(0);
      await once(server, 'listening');
      const socket = net.connect(server.address().port);
      const [bytes] = await once(socket, 'data');
      server.close();
      const { stdout } = await promisify(execFile)('echo', ['spawned']);
      const worker = new Worker('require("node:worker_threads").parentPort.postMessage("worked")', { eval: true, execArgv: [] });
      // At its end a Worker may hand over its message and its end in one go.
      const [[word]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
      const file = await fs.promises.readFile('/etc/passwd', 'utf8');
      return [bytes.toString(), stdout.trim(), word, file.length > 0];
    }`;
  const lines = said(
    `import net from 'node:net'; import { once } from 'node:events'; import { promisify } from 'node:util';
    import { execFile } from 'node:child_process'; import { Worker } from 'node:worker_threads';
    ${use}
    say(closeInherited().length);
    say(await use());
    const pid = fork();
    if (pid === 0) { say(closeInherited().length); say(await use()); process.exit(0); }
    say((await daemonkit.waitpidAsync(pid)).exitCode);`,
    { via: leaking('file=3', 'socket=5', 'pipe=6', 'file=90') },
  );
  const right = ['served', 'spawned', 'worked', true];
  assert.deepEqual(lines, [5, right, 0, right, 0]);
});

test('without /proc: ENOENT, and nothing is closed', (t) => {
  const root = scratch(t);
  const lines = said(
    `daemonkit.chroot(${JSON.stringify(root)});
    for (const f of [openDescriptors, closeInherited]) {
      try { f(); } catch ({ code, errno, syscall, path }) { say([code, errno, syscall, path]); } }
    say(native.closeOnExec(90) >= 0);`,
    { via: leaking('file=90') },
  );
  const error = ['ENOENT', -2, 'scandir', '/proc/self/fd'];
  assert.deepEqual(lines, [error, error, true]);
});

test('wrong options are refused, and in a Worker closeInherited and redirections', () => {
  const lines = said(
    `import { Worker } from 'node:worker_threads';
    const code = (options) => { try { closeInherited(options); } catch (e) { return e.code; } };
    say([{ from: 2 }, { from: '3' }, { keep: 3 }, { keep: [-1] }, { dryRun: 1 }, { listenFds: 0 },
      { what: 1 }, null].map(code));
    say(native.closeOnExec(90) >= 0);
    ${worker(`for (const f of [closeInherited, daemonkit.redirectToNull, () => daemonkit.redirect(1, '/')])
      try { f(); } catch ({ code }) { say(code); }`)};`,
    { via: leaking('file=90') },
  );
  const [type, range] = ['ERR_INVALID_ARG_TYPE', 'ERR_OUT_OF_RANGE'];
  assert.deepEqual(lines.slice(0, 2), [
    [range, type, type, range, type, type, 'ERR_INVALID_ARG_VALUE', type],
    true,
  ]);
  assert.deepEqual(lines.slice(2), Array(3).fill('ERR_WORKER_UNSUPPORTED_OPERATION'));
});

/** A program that does something before it loads daemonkit, as another module does that is imported first. */
function lateProgram(directory: string, before: string, after: string): string[] {
  const program = `${directory}/late.mjs`;
  const load = `const daemonkit = await import(${JSON.stringify(entry)});`;
  const head = "import fs from 'node:fs'; import { createRequire } from 'node:module';";
  writeFileSync(program, `${head}\n${before}\n${load}\n${tools}\n${after}`);
  return [process.execPath, program];
}

const FAULTS = new URL('../../test/native/build/Release/test_faults.node', import.meta.url);

for (const [kernel, before] of [
  ['with kcmp(2)', ''],
  [
    'without kcmp(2)',
    `createRequire('/')(${JSON.stringify(fileURLToPath(FAULTS))}).refuse('kcmp', 1);`,
  ],
] as const) {
  test(`${kernel}: what a module has opened before is not inherited, though the parent has that file too`, (t) => {
    const directory = scratch(t);
    const file = JSON.stringify(`${directory}/db`);
    // The parent leaves 80 and 82 open, and has a file of its own.
    const starter = `import os, subprocess, sys
os.closerange(3, 4096)
for number in (80, 81, 82):
    os.dup2(os.open(sys.argv[1], os.O_RDWR | os.O_CREAT), number, inheritable=number != 81)
print(subprocess.run(sys.argv[2:], close_fds=False, stdout=subprocess.PIPE).stdout.decode(), end='')`;
    const opens = `const db = [fs.openSync(${file}, 'r+'), fs.openSync(${file}, 'a+')];`;
    const program = lateProgram(
      directory,
      `${before} ${opens}`,
      `say(openDescriptors().filter(({ inherited, fd }) => inherited && fd > 2).map(({ fd }) => fd));
      say(closeInherited().map(({ fd }) => fd));
      fs.writeSync(db[0], 'row'); fs.writeSync(db[1], '.');
      say(fs.readFileSync(${file}, 'utf8'));`,
    );
    const args = ['-c', starter, `${directory}/db`, ...program];
    const { stdout, stderr } = spawnSync('python3', args, { encoding: 'utf8' });
    assert.deepEqual([stderr, stdout], ['', '[80,82]\n[80,82]\n"row."\n']);
  });
}

test('nor is it closed in a daemon', async (t) => {
  const nest = new Nest(t);
  const db = `${nest.directory}/db`;
  const program = lateProgram(
    nest.directory,
    `const db = fs.openSync(${JSON.stringify(db)}, 'w+');`,
    `daemonkit.becomeDaemon({ detach: true, log: ${JSON.stringify(nest.log)} });
    fs.openSync(${JSON.stringify(`${db}.other`)}, 'w+');
    fs.writeSync(db, 'row');`,
  );
  // 90 is the starter's, which is there until the launcher has ended.
  const under = ['sh', '-c', 'exec 9</etc/passwd; "$@"; exit $?', 'sh'];
  const { code, stderr } = await nest.run(program, { under });
  assert.deepEqual([code, stderr], [0, '']);
  await until('it has written', () => existsSync(`${db}.other`) && statSync(db).size > 0);
  assert.equal(readFileSync(db, 'utf8'), 'row');
  assert.equal(statSync(`${db}.other`).size, 0);
});

test(
  "under another user's parent only a pipe is certain to be the starter's",
  needs('root', 'bash', 'setpriv'),
  () => {
    const starter = `exec 80</etc/passwd 81>/dev/null
    { "$@"; } 82>&1 | cat`;
    const via = [
      'bash',
      '-c',
      starter,
      'bash',
      'setpriv',
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
    ];
    const lines = said(
      `say(closeInherited().map(({ fd }) => fd).filter((fd) => fd > 79 && fd < 83)); say([80, 81, 82].map((fd) => of(fd)?.type));`,
      { via },
    );
    assert.deepEqual(lines, [[82], ['file', 'char', null]]);
  },
);

test('what the parent has closed since, or a parent that is gone, is left open', async (t) => {
  const nest = new Nest(t);
  const said = `${nest.directory}/said`;
  const program = lateProgram(
    nest.directory,
    'while (!fs.existsSync(process.argv[2])) await new Promise((resolve) => setTimeout(resolve, 10));',
    `fs.writeFileSync(process.argv[3], JSON.stringify([closeInherited().some(({ fd }) => fd === 9), of(9).type]));`,
  );
  const [closed, gone] = [`${nest.directory}/closed`, `${nest.directory}/gone`];
  const args = (how: string) => [...program, how, `${said}.${how.slice(-4)}`];
  // The first is closed in a shell that waits, the second is an orphan's.
  const first = 'exec 9</etc/passwd; "$@" & exec 9<&-; touch "$3"; wait';
  await nest.run(args(closed), { under: ['sh', '-c', first, 'sh'] });
  const second = 'exec 9</etc/passwd; "$@" >/dev/null 2>&1 </dev/null &';
  await nest.run(args(gone), { under: ['sh', '-c', second, 'sh'] });
  writeFileSync(gone, '');
  const text = (name: string) => existsSync(name) && readFileSync(name, 'utf8');
  const told = [`${said}.osed`, `${said}.gone`];
  await until('both have told', () => told.every((name) => text(name)));
  assert.deepEqual(told.map(text), Array(2).fill('[false,"file"]'));
});
