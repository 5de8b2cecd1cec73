// openDescriptors() against /proc as another process sees it.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { test } from 'node:test';
import { type Entry, leaking, said, tools, worker } from './tools/leaking.js';
import { descriptors } from './tools/proc.js';
import { scratch } from './tools/scratch.js';
import { scriptCommand } from './tools/script.js';

test('openDescriptors lists what another process sees, without its own', async () => {
  const source = `${tools} fs.openSync('/etc/passwd'); say(openDescriptors());
    setTimeout(() => {}, 60_000);`;
  const [file = '', ...args] = scriptCommand(source);
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [bytes] = (await once(child.stdout, 'data')) as [Buffer];
    const list = JSON.parse(bytes.toString()) as Entry[];
    const seen = descriptors(child.pid as number);
    assert.deepEqual(Object.fromEntries(list.map(({ fd, target }) => [fd, target])), seen);
    assert.deepEqual(
      list.map(({ fd }) => fd),
      Object.keys(seen).map(Number),
    );
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

test('each type is told, and close-on-exec', (t) => {
  const fifo = `${scratch(t)}/fifo`;
  const lines = said<[string, boolean, boolean]>(
    `import { execFileSync } from 'node:child_process';
    execFileSync('mkfifo', [${JSON.stringify(fifo)}]);
    const open = (path, flags = 'r') => fs.openSync(path, flags);
    const fds = { file: open('/etc/passwd'), directory: open('/'), char: open('/dev/zero'),
      symlink: open('/proc/self/exe', 0o10000000 | fs.constants.O_NOFOLLOW),
      fifo: open(${JSON.stringify(fifo)}, 'r+') };
    dup2(fds.file, 200);
    for (const fd of [...Object.values(fds), 200]) {
      const { type, cloexec, inherited } = of(fd); say([type, cloexec, inherited]); }
    for (const fd of [90, 91, 92, 93, 94, 95, 96]) { const e = of(fd); say([e.type, e.inherited, e.runtime]); }`,
    {
      via: leaking(
        ...['file=90', 'socket=91', 'null=92', 'tty=93', 'eventfd=94', 'read=95', 'write=96'],
      ),
    },
  );
  const opened = ['file', 'directory', 'char', 'symlink', 'fifo'].map((type) => [
    type,
    true,
    false,
  ]);
  const left = ['file', 'socket', 'char', 'tty', 'eventfd', 'pipe', 'pipe'];
  assert.deepEqual(lines, [
    ...opened,
    ['file', false, false],
    ...left.map((type) => [type, true, false]),
  ]);
});

test("the runtime's own are told by what they are, also in a Worker, a child and its child", () => {
  const look = `(() => {
    const own = openDescriptors().filter(({ runtime }) => runtime).map(({ type }) => type);
    return [own.includes('epoll'), own.includes('eventfd'), own.includes('pipe'),
      openDescriptors().filter(({ fd, runtime, inherited }) => fd > 2 && runtime && inherited).length,
      openDescriptors().filter(({ fd, type, runtime }) => fd > 2 && /file|socket/.test(type) && runtime).length,
      of(90).inherited];
  })()`;
  const lines = said(
    `import { Worker } from 'node:worker_threads'; import net from 'node:net';
    const server = net.createServer().listen(0);
    fs.openSync('/etc/passwd');
    say(${look});
    const worker = ${worker(`say(${look});`)};
    await new Promise((resolve) => worker.on('exit', resolve));
    server.close();
    const pid = fork();
    if (pid === 0) {
      say(${look});
      const second = fork();
      if (second === 0) { say(${look}); _exit(0); }
      _exit(waitpid(second).exitCode);
    }
    say(waitpid(pid).exitCode);`,
    { via: leaking('file=90') },
  );
  const right = [true, true, true, 0, 0, true];
  assert.deepEqual(lines, [right, right, right, right, 0]);
});

test("numbers are not what tells the runtime's own: a leak may have any", () => {
  const [fds, left] = said(
    `const before = openDescriptors().filter(({ runtime }) => runtime).map(({ fd }) => fd);
    say(closeInherited().map(({ fd }) => fd));
    const after = openDescriptors();
    say([before.every((fd) => after.some((e) => e.fd === fd && e.runtime)),
      after.filter(({ fd, inherited }) => fd > 2 && inherited)]);`,
    { via: leaking('file=3', 'socket=5', 'pipe=6', 'read=9', 'null=10', 'tty=11', 'file=4000') },
  );
  assert.deepEqual(fds, [3, 5, 6, 7, 9, 10, 11, 4000]);
  assert.deepEqual(left, [true, []]);
});

test("V8's own files are not taken for inherited", (t) => {
  const cwd = scratch(t);
  const [node = '', ...rest] = scriptCommand(`${tools}
    const ofV8 = ({ target }) => /v8\\.log$|perf-\\d+\\.map$/.test(target);
    say([openDescriptors().filter(ofV8), closeInherited({ dryRun: true }).filter(ofV8)]);`);
  for (const flag of ['--prof', '--perf-basic-prof']) {
    const { stdout } = spawnSync(node, [flag, ...rest], { cwd, encoding: 'utf8' });
    const [found, closed] = JSON.parse(stdout) as [Entry[], Entry[]];
    // One of them is in the folder for temporary files.
    for (const { target } of found) rmSync(target, { force: true });
    assert.ok(found.length > 0, flag);
    assert.ok(found.every(({ type, runtime }) => type === 'file' && runtime));
    assert.deepEqual(closed, []);
  }
});
