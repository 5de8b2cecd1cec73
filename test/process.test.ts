import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { native } from '../lib/addon/native.js';
import { gate, killed, noChild, withFamily } from './tools/adopted.js';
import { needsStrace } from './tools/needs.js';
import { runScript, scriptCommand } from './tools/script.js';
import { guard, subject } from './tools/subject.js';

const caught = 'const caught = (f) => { try { return f(); } catch (e) { return failure(e); } };';

test('waitpid: exit codes and signals, each told once', () => {
  const commands = [
    'exit 0',
    'exit 255',
    killed('KILL'),
    killed('TERM'),
    killed(native.signalRtMin()),
  ];
  const lines = withFamily(
    commands,
    `${caught} for (const pid of children) say(brief(waitpid(pid)));
    for (const pid of children) say(caught(() => waitpid(pid)));`,
  );
  assert.deepEqual(lines, [
    [0, 0, null, false, false],
    [1, 255, null, false, false],
    [2, null, 'SIGKILL', false, false],
    [3, null, 'SIGTERM', false, false],
    [4, null, 'SIGRTMIN+0', false, false],
    ...Array(5).fill(noChild),
  ]);
});

test('waitpid: the wildcards, and no child at all', () => {
  const lines = withFamily(
    ['exit 1', 'exit 2', 'exit 3'],
    `${caught} const group = daemonkit.getpgid();
    say([waitpid(-1), waitpid(0), waitpid(-group)].map((r) => r.exitCode).sort());
    for (const pid of [-1, 0, -group, 1, process.pid]) say(caught(() => waitpid(pid)));
    say(caught(() => waitpid(-(2 ** 31))));`,
  );
  assert.deepEqual(lines, [[1, 2, 3], ...Array(5).fill(noChild), 'Error ESRCH -3 waitpid']);
});

test('waitpid: noHang, untraced and continued', () => {
  const lines = withFamily(
    [`${gate} exec sleep 1000`],
    `const [pid] = children;
    say(brief(waitpid(pid, { untraced: true })));
    say(waitpid(pid, { noHang: true, untraced: true, continued: true }));
    process.kill(pid, 'SIGCONT');
    say(brief(waitpid(pid, { continued: true })));
    process.kill(pid, 'SIGTERM');
    say(brief(waitpid(pid, { noHang: false })));`,
  );
  assert.deepEqual(lines, [
    [0, null, 'SIGSTOP', true, false],
    null,
    [0, null, null, false, true],
    [0, null, 'SIGTERM', false, false],
  ]);
});

test('waitpid: a core file is told as the kernel tells it to others', () => {
  const folder = mkdtempSync(join(tmpdir(), 'daemonkit-core-'));
  const commands = ['0', 'unlimited'].map(
    (limit) => `cd ${folder}; ulimit -c ${limit}; exec sh -c 'kill -ABRT $$'`,
  );
  try {
    // os.WCOREDUMP of Python is the second opinion: /proc/sys/kernel/core_pattern may be anything.
    const oracle = commands.map((command) => {
      const code = `import os, sys
pid = os.fork()
if pid == 0: os.execvp('sh', ['sh', '-c', sys.argv[1]])
print(os.WCOREDUMP(os.waitpid(pid, 0)[1]))`;
      return spawnSync('python3', ['-c', code, command], { encoding: 'utf8' }).stdout.trim();
    });
    const lines = withFamily(
      [...commands, killed('KILL'), 'exit 134'],
      'for (const pid of children) say(waitpid(pid).coreDumped);',
    );
    assert.deepEqual(lines, [...oracle.map((said) => said === 'True'), false, false]);
    assert.equal(lines[0], false);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('waitpid: what the child has used, in the units of process.resourceUsage()', () => {
  const [same, usage] = withFamily(
    ['i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'],
    `const { rusage } = waitpid(children[0]);
    say(Object.keys(rusage).sort().join() === Object.keys(process.resourceUsage()).sort().join());
    say(rusage);`,
  ) as [boolean, NodeJS.ResourceUsage];
  assert.ok(same);
  // A shell's loop: tens of milliseconds (in microseconds), a megabyte or two (in kilobytes).
  assert.ok(usage.userCPUTime > 1e4 && usage.userCPUTime < 1e7, `${usage.userCPUTime}`);
  assert.ok(usage.maxRSS > 300 && usage.maxRSS < 1e5, `${usage.maxRSS}`);
  assert.ok(usage.minorPageFault > 10, `${usage.minorPageFault}`);
});

test('waitpid: a signal does not end the wait, and its listener runs after it', () => {
  const lines = withFamily(
    [`${gate} sleep 0.1; kill -USR2 $PPID; sleep 0.2; exit 6`],
    `process.on('SIGUSR2', () => { say('listener'); process.exit(0); });
    setInterval(() => {}, 1000);
    gated(0);
    resume(0);
    say(brief(waitpid(children[0])));`,
  );
  assert.deepEqual(lines, [[0, 6, null, false, false], 'listener']);
});

test(
  'waitpid: EINTR, which a handler without SA_RESTART brings about, is not seen',
  needsStrace,
  () => {
    const ran = runScript(
      `const pid = daemonkit.fork();
    if (pid === 0) daemonkit._exit(6);
    console.log(daemonkit.waitpid(pid).exitCode);`,
      { via: ['strace', '-o', '/dev/null', '-e', 'inject=wait4:error=EINTR:when=1..3'] },
    );
    assert.deepEqual([ran.stdout, ran.stderr], ['6\n', '']);
  },
);

test('_exit: the code, and neither exit listeners nor what is buffered', () => {
  for (const code of [0, 3, 255]) {
    const ran = runScript(`process.on('exit', () => fs.writeSync(1, 'listener'));
      daemonkit._exit(${code});
      fs.writeSync(1, 'after');`);
    assert.deepEqual([ran.status, ran.signal, ran.stdout, ran.stderr], [code, null, '', '']);
  }
});

test('getpid and getppid are the kernel’s answer', async () => {
  const script = `Object.defineProperty(process, 'pid', { value: 1 });
    console.log(JSON.stringify([daemonkit.getpid(), daemonkit.getppid()]));`;
  const [command = '', ...args] = scriptCommand(script);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [said] = await once(child.stdout.setEncoding('utf8'), 'data');
  assert.deepEqual(JSON.parse(said), [child.pid, Number(readlinkSync('/proc/self'))]);
  await once(child, 'close');
});

test('process.title of child and grandchild is theirs alone, as long as the command line', async () => {
  await using family = subject(`
    const given = process.title;
    let generation = 1;
    for (; generation < 3; generation++) if (daemonkit.fork() !== 0) break;
    ${guard}
    if (generation > 1) process.title = 'worker ' + generation;
    say(generation, process.pid);
    setInterval(() => {}, 1000);`);
  const lines = [await family.line(), await family.line(), await family.line()].sort();
  const [first, ...titles] = lines.map((line) => {
    const pid = line.split(' ')[1];
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0+$/, '');
  });
  assert.ok(first?.startsWith(`${process.execPath}\0--input-type=module`), first);
  assert.deepEqual(titles, ['worker 2', 'worker 3']);
});
