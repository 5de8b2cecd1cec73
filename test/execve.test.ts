// execve(2): the new program finds what a shell would give it, and a failed call has changed nothing.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { pidfileRead } from 'daemonkit';
import { collect } from './tools/output.js';
import { scratch } from './tools/scratch.js';
import { entry, runScript, scriptCommand } from './tools/script.js';

const TERMINAL = fileURLToPath(new URL('../../test/tools/terminal.py', import.meta.url));

const prelude = `
const { execve } = daemonkit;
/** The state that a failed call must not change, from the kernel. */
const seen = () => {
  const status = fs.readFileSync('/proc/self/status', 'utf8');
  const flags = fs.readdirSync('/proc/self/fd').flatMap((fd) => {
    try { return fd + ' ' + /flags:.*/.exec(fs.readFileSync('/proc/self/fdinfo/' + fd, 'utf8'))[0]; }
    catch { return []; }
  });
  return [...status.match(/^(Sig(Pnd|Blk|Ign|Cgt)|ShdPnd|Threads|Pid):.*/gm), ...flags].join('\\n');
};
const { signalMask, ignoreSignals, SignalFlag } = daemonkit;
`;

test('each way to fail: its error, and the process is as it was, and works', (t) => {
  const folder = scratch(t);
  const file = (name: string, mode: number, text = '') => {
    writeFileSync(join(folder, name), text);
    chmodSync(join(folder, name), mode);
  };
  file('plain', 0o644);
  file('text', 0o755, 'neither a program nor a script');
  file('lost', 0o755, '#!/no/such/interpreter\n');
  mkdirSync(join(folder, 'folder'));
  symlinkSync('loop', join(folder, 'loop'));
  const ran = runScript(
    `${prelude}
    const flag = new SignalFlag('SIGTERM');
    process.on('SIGUSR1', () => console.log('listener'));
    process.on('exit', () => console.log('exit'));
    process.stdin.on('data', (text) => console.log(String(text))); // has it made a non-blocking one
    ignoreSignals('SIGHUP');
    signalMask('block', 'SIGUSR2');
    const keep = [fs.openSync('/dev/null'), daemonkit.dup(0)];
    const long = 'x'.repeat(200_000);
    const attempt = (path, args = ['a'], env = undefined, more = []) => {
      const before = seen();
      try { execve(path, args, env, { keep: [...keep, ...more] }); } catch (error) {
        console.log(error.code, error.errno < 0, error.syscall, error.path === path);
      }
      if (seen() !== before) console.log(before, seen());
    };
    console.log(seen().includes('SigBlk:\\t0000000000000800'));
    attempt('text');
    attempt('lost');
    attempt('/bin/true', ['a', long]);
    attempt('/bin/true', ['a'], { A: long });
    for (const path of ['none', 'plain', 'folder', 'plain/a', 'loop', 'n'.repeat(300)]) attempt(path);
    attempt('/bin/true', ['a'], {}, [999]);
    for (const signal of ['SIGTERM', 'SIGUSR1', 'SIGHUP']) process.kill(process.pid, signal);
    console.log((await flag.wait()).signal);
    setTimeout(() => process.exit(3), 50);`,
    { cwd: folder, stdio: ['pipe', 'pipe', 'pipe'], input: 'typed' },
  );
  const codes = ['ENOEXEC', 'ENOENT', 'E2BIG', 'E2BIG', 'ENOENT', 'EACCES', 'EACCES'];
  const told = [...codes, 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'].map(
    (one) => `${one} true execve true`,
  );
  assert.deepEqual(ran.stdout.split('\n').slice(0, 12), [
    'true',
    ...told,
    'EBADF true fcntl false',
  ]);
  const rest = ran.stdout.split('\n').slice(12);
  assert.deepEqual(rest.sort(), ['', 'SIGTERM', 'exit', 'listener', 'typed'].sort());
  assert.deepEqual([ran.status, ran.stderr], [3, '']);
});

/** What a program finds: the fields of its status, and its descriptors with their flags. */
// Node at its start does not close what it inherits beyond the first hole in the numbers.
// By the shell's own words: dash blocks all signals while it starts a program, which would see that mask.
const look = `while read -r name value; do
    case $name in Pid:|Sig[PBI]*|Threads:) echo "$name $value";; esac
  done < /proc/$$/status
  for fd in /proc/$$/fd/*; do n=\${fd##*/}; [ -e $fd ] && echo $n $(grep flags /proc/$$/fdinfo/$n); done; :`;

test('the new program: the same process, no signal blocked or ignored, the descriptors of keep', () => {
  const source = (signals: string) => `${prelude}
    import { Worker } from 'node:worker_threads';
    process.on('exit', () => console.log('exit'));
    process.on('SIGUSR1', () => {});
    new SignalFlag('SIGTERM');
    process.stdin.on('data', () => {});
    new Worker('for (;;);', { eval: true });
    signalMask('block', 'SIGUSR2');
    ${signals}
    const kept = fs.openSync('/etc/passwd');
    const dup = daemonkit.dup(kept);
    fs.writeSync(1, 'I am ' + process.pid + ' ' + kept + ' ' + dup + '\\n');
    const options = process.argv[1] ? JSON.parse(process.argv[1]) : {};
    execve('/bin/sh', ['sh', '-c', ${JSON.stringify(look)}], undefined, { keep: [kept], ...options });`;
  const run = (signals: string, options: object = {}) => {
    const args = [JSON.stringify(options)];
    const stdio = ['pipe', 'pipe', 'pipe'] as const;
    const ran = runScript(source(signals), { args, stdio: [...stdio] });
    assert.deepEqual([ran.status, ran.stderr], [0, ''], ran.stdout);
    return ran.stdout.trimEnd().split('\n');
  };
  // The command line of the test does not reach the shell from outside of it.
  const shell = spawnSync('sh', ['-c', look], { encoding: 'utf8' }).stdout.split('\n');
  const numbers = (lines: string[]) => lines.flatMap((line) => /^\d+/.exec(line)?.[0] ?? []);
  const field = (lines: string[], name: string) => lines.find((line) => line.startsWith(name));

  const [first = '', ...lines] = run('');
  const [pid, kept, dup] = first.split(' ').slice(2);
  assert.equal(field(lines, 'Pid'), `Pid: ${pid}`);
  for (const name of ['SigPnd', 'SigBlk', 'SigIgn', 'Threads']) {
    assert.equal(field(lines, name), field(shell, name));
  }
  assert.match(field(lines, 'SigIgn') ?? '', /^SigIgn: 0+$/);
  const descriptors = lines.filter((line) => /^\d/.test(line));
  assert.deepEqual(numbers(lines).sort(), [...numbers(shell), kept, dup].sort());
  const NONBLOCK = 0o4000;
  for (const line of descriptors)
    assert.equal(Number.parseInt(line.split(' ')[2] ?? '', 8) & NONBLOCK, 0);

  // SIGHUP is signal 1, SIGUSR2 12, SIGPIPE 13 and SIGXFSZ 25.
  const nohup = run("ignoreSignals('SIGHUP');");
  assert.match(field(nohup, 'SigIgn') ?? '', /^SigIgn: 0+1$/);
  assert.match(field(nohup, 'SigBlk') ?? '', /^SigBlk: 0+$/);
  const undone = run("ignoreSignals('SIGHUP')[Symbol.dispose]();");
  assert.match(field(undone, 'SigIgn') ?? '', /^SigIgn: 0+$/);
  const inherits = run("ignoreSignals('SIGHUP');", { signals: 'inherit' });
  assert.match(field(inherits, 'SigIgn') ?? '', /^SigIgn: 0+1001001$/);
  assert.match(field(inherits, 'SigBlk') ?? '', /^SigBlk: 0+800$/);
});

test('all that was written comes first, also to a reader that takes its time', () => {
  const before = 'x'.repeat(999_999);
  const { status, stdout, stderr } = runScript(
    `process.on('exit', () => console.log('exit'));
    for (let i = 0; i < 4; i++) process.stdout.write('x'.repeat(i === 3 ? 249_999 : 250_000));
    process.stdout.write('\\n');
    process.stderr.write('told\\n');
    try { daemonkit.execve('/no', ['no']); } catch {}
    daemonkit.execve('/bin/echo', ['echo', 'after']);`,
    { via: ['sh', '-c', '"$@" | (sleep 0.2; cat)', 'sh'], maxBuffer: 2 ** 24 },
  );
  assert.equal(stderr, 'told\n');
  assert.equal(status, 0);
  assert.equal(stdout === `${before}\nafter\n`, true, `${stdout.length} ${stdout.slice(-20)}`);
});

test('the environment: the given one, or the own one byte by byte; a failed status, a URL', () => {
  const given = runScript(`
    const env = Object.assign(Object.create({ INHERITED: 'no' }), { A: 'a=b', EMPTY: '', NOT: undefined, Ü: 'ü' });
    daemonkit.execve(new URL('file:///usr/bin/env'), ['env'], env);`);
  assert.deepEqual(given.stdout.trimEnd().split('\n').sort(), ['A=a=b', 'EMPTY=', 'Ü=ü']);
  const own = spawnSync(
    'sh',
    [
      '-c',
      'export RAW="$(printf "\\377")"; "$@"',
      'sh',
      ...scriptCommand(`
        process.env.ADDED = 'yes';
        delete process.env.GONE;
        daemonkit.execve('/bin/sh', ['sh', '-c', 'printf "%s %s [%s]" "$RAW" "$ADDED" "$GONE"; exit 7']);`),
    ],
    { env: { ...process.env, GONE: 'still' } },
  );
  assert.deepEqual(own.stdout, Buffer.from('\u00ff yes []', 'latin1'));
  assert.equal(own.status, 7);
});

test('in a child of fork(), after closeInherited(); the parent waits for the new program', () => {
  const ran = runScript(
    `const pid = daemonkit.fork();
    if (pid === 0) {
      daemonkit.closeInherited();
      daemonkit.execve('/bin/sh', ['sh', '-c', 'echo $$; ls /proc/$$/fd; exit 5']);
    }
    const { exitCode } = await daemonkit.waitpidAsync(pid);
    console.log(pid, exitCode);`,
    { via: ['sh', '-c', 'exec 7</etc/passwd; "$@"; :', 'sh'] },
  );
  const [shell, ...rest] = ran.stdout.trimEnd().split('\n');
  // dash reads its script from a string, and has nothing else open.
  assert.deepEqual(rest.slice(0, 3), ['0', '1', '2']);
  assert.equal(rest.includes('7'), false);
  assert.equal(rest.at(-1), `${shell} 5`);
});

test("a pidfile whose descriptor is kept is the new program's", async (t) => {
  const path = join(scratch(t), 'a.pid');
  const source = `const pidfile = daemonkit.Pidfile.open(process.argv[1]);
    pidfile.write();
    daemonkit.execve('/bin/sh', ['sh', '-c', 'echo held; read end'], {}, { keep: [pidfile.fd] });`;
  const [node = '', ...args] = scriptCommand(source);
  const child = spawn(node, [...args, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const { state, pid } = pidfileRead(path);
  assert.deepEqual([state, pid], ['running', child.pid]);
  child.stdin.end();
  await once(child, 'exit');
  assert.equal(pidfileRead(path).state, 'stale');
});

test('a terminal that was raw has its mode back, and is raw after a failed call', async (t) => {
  const source = `
    import { execFileSync } from 'node:child_process';
    const stdio = ['inherit', 'pipe', 'inherit'];
    const mode = () => /-?icanon/.exec(execFileSync('stty', ['-a'], { stdio }))[0];
    process.stdin.setRawMode(true);
    const before = mode();
    const long = 'x'.repeat(200_000);
    try { daemonkit.execve('/bin/true', ['a', long]); } catch ({ code }) { console.log(code); }
    console.log(before, mode());
    daemonkit.execve('/bin/sh', ['sh', '-c', 'stty -a | grep -oE -e -?icanon']);`;
  // Its standard input stays open: the end of it would hang the terminal up.
  const terminal = spawn('python3', [TERMINAL, ...scriptCommand(source)]);
  t.after(() => terminal.kill('SIGKILL'));
  const output = collect(terminal);
  await once(terminal, 'close');
  assert.deepEqual(
    output.stdout.split(/[\r\n]+/),
    ['E2BIG', '-icanon -icanon', 'icanon', ''],
    output.stderr,
  );
});

test('not in a Worker', async () => {
  const code = `import(${JSON.stringify(entry)}).then(({ execve }) => {
    try { execve('/bin/true', ['true']); } catch ({ code }) { require('node:worker_threads').parentPort.postMessage(code); }
  });`;
  const worker = new Worker(code, { eval: true });
  const told = await new Promise((resolve) => worker.once('message', resolve));
  assert.equal(told, 'ERR_WORKER_UNSUPPORTED_OPERATION');
  await worker.terminate();
});
