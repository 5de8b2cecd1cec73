// A daemon that starts: what it is, seen from outside.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ask, bothWays, Nest, until } from './tools/daemons.js';
import { descriptors, stat, status } from './tools/proc.js';

const TERMINAL = fileURLToPath(new URL('../../test/tools/terminal.py', import.meta.url));

/** Processor time that a process uses meanwhile, in hundredths of a second. */
async function cpuTicks(pid: number, milliseconds: number): Promise<number> {
  const used = () => Number(stat(pid)[11]) + Number(stat(pid)[12]);
  const before = used();
  await sleep(milliseconds);
  return used() - before;
}

bothWays('it serves on the socket that was opened before', async (nest) => {
  const { port, pid, stdout } = await nest.start('serve');
  assert.deepEqual(await ask(port), { pid, ppid: 1, cwd: '/', stdinEnded: false });
  assert.equal(stdout, `port ${port}\n`, 'the launcher runs no exit listeners');
  assert.deepEqual(nest.processes(), [pid]);
});

bothWays('it has a session that it does not lead, and no terminal', async (nest) => {
  const { pid } = await nest.start('serve');
  const [, ppid, pgrp, session, tty] = stat(pid);
  assert.equal(ppid, '1');
  assert.equal(session, pgrp);
  assert.notEqual(Number(session), pid);
  assert.equal(existsSync(`/proc/${session}`), false, 'the session has lost its leader');
  assert.equal(tty, '0');
});

bothWays('working directory and umask: the defaults, and what is asked for', async (nest) => {
  const first = await nest.start('serve');
  assert.equal(readlinkSync(`/proc/${first.pid}/cwd`), '/');
  assert.equal(status(first.pid).Umask, '0022');
  await nest.end(first.pid);
  const second = await nest.start('serve', { umask: 0o027, cwd: nest.directory });
  assert.equal(readlinkSync(`/proc/${second.pid}/cwd`), nest.directory);
  assert.equal((await ask(second.port)).cwd, nest.directory);
  assert.equal(status(second.pid).Umask, '0027');
});

bothWays('no signal is ignored or blocked that Node does not ignore itself', async (nest) => {
  const { pid } = await nest.start('serve', {}, { under: ['nohup'] });
  const { SigIgn, SigBlk } = status(pid);
  // SIGPIPE (13) and SIGXFSZ (25).
  assert.equal(BigInt(`0x${SigIgn}`), (1n << 12n) | (1n << 24n));
  assert.equal(BigInt(`0x${SigBlk}`), 0n);
});

bothWays('SIGTERM ends it with its exit listeners, and removes the pidfile', async (nest) => {
  const { pid } = await nest.start('serve');
  assert.equal(readFileSync(nest.pidFile, 'utf8'), `${pid}\n`);
  await nest.end(pid);
  assert.equal(nest.logged(), `exit 0 of ${pid}\n`);
  assert.equal(existsSync(nest.pidFile), false);
});

test('a SIGTERM listener of the script decides itself', async (t) => {
  const nest = new Nest(t);
  const { pid } = await nest.start('ownTerm');
  await nest.end(pid);
  assert.equal(nest.logged(), `own SIGTERM\nexit 5 of ${pid}\n`);
  assert.equal(existsSync(nest.pidFile), false);
});

test('nor does a listener added later hurry', async (t) => {
  const nest = new Nest(t);
  const { pid } = await nest.start('ownTermLater');
  await nest.end(pid);
  assert.equal(nest.logged(), `own SIGTERM\nexit 6 of ${pid}\n`);
});

test('nor when a SignalFlag is there for it', async (t) => {
  const nest = new Nest(t);
  const { pid } = await nest.start('flag');
  await until('the flag is there', () => nest.logged() === 'flag false\n');
  await nest.end(pid);
  assert.equal(nest.logged(), `flag false\nflag true\nexit 7 of ${pid}\n`);
});

test('disposed, it has no pidfile and the default SIGTERM, and goes on', async (t) => {
  const nest = new Nest(t);
  const { code, port } = await nest.launch('disposed');
  assert.equal(code, 0);
  await until('the pidfile is gone', () => !existsSync(nest.pidFile));
  const { pid } = await ask(port);
  await nest.end(pid);
  assert.equal(nest.logged(), '', 'killed');
});

bothWays('a second start says which process runs, and harms nothing', async (nest) => {
  const { pid, port } = await nest.start('serve');
  const { code, stderr } = await nest.launch('serve');
  assert.equal(code, 1);
  const words = `EEXIST: already running as process ${pid}, flock '${nest.pidFile}'`;
  assert.ok(stderr.includes(words), stderr);
  assert.match(stderr, /step: 'pidfile'/);
  assert.equal(nest.pid(), pid);
  assert.equal((await ask(port)).pid, pid);
  assert.deepEqual(nest.processes(), [pid]);
  await nest.end(pid, 'SIGKILL');
  assert.equal(nest.pid(), pid, 'nobody could remove it');
  assert.notEqual((await nest.start('serve')).pid, pid);
});

bothWays('console and process.stdout go to the log, which is appended to', async (nest) => {
  writeFileSync(nest.log, 'of yesterday\n');
  const { pid, port } = await nest.start('serve');
  await ask(port, '/log');
  assert.equal(nest.logged(), 'of yesterday\nto stdout\nto stderr\nwritten to process.stdout\n');
  await nest.end(pid);
});

test('standard output and error can have a file each, or none', async (t) => {
  const nest = new Nest(t);
  const stderr = `${nest.directory}/err.log`;
  const first = await nest.start('serve', { stderr });
  await ask(first.port, '/log');
  assert.equal(nest.logged(), 'to stdout\nwritten to process.stdout\n');
  assert.equal(readFileSync(stderr, 'utf8'), 'to stderr\n');
  await nest.end(first.pid);

  const { log: _, ...bare } = JSON.parse(nest.command('serve')[3] ?? '{}');
  const second = await nest.start('serve', { ...bare, log: undefined });
  await ask(second.port, '/log');
  const table = descriptors(second.pid);
  assert.deepEqual([table[0], table[1], table[2]], Array(3).fill('/dev/null'));
});

bothWays('it starts with the standard descriptors closed', async (nest) => {
  const under = ['sh', '-c', 'exec "$@" <&- >&- 2>&-', 'sh'];
  const { pid } = await nest.start('serve', {}, { under });
  const table = descriptors(pid);
  assert.deepEqual([table[0], table[1], table[2]], ['/dev/null', nest.log, nest.log]);
});

test('pipes that were its standard streams are given up, even one that it was reading', async (t) => {
  const nest = new Nest(t);
  // The shell's pipes: those of child_process are socket pairs.
  const under = ['bash', '-c', '"$@" < <(exec sleep 60 2>&-) | cat', 'bash'];
  const { port } = await nest.launch(
    'reads',
    {},
    {
      under,
      stdio: ['ignore', 'pipe', 'inherit'],
      meanwhile: async () => {
        await until('the pidfile is written', () => existsSync(nest.pidFile) && nest.pid() > 0);
        const pid = nest.pid();
        await until('it has left the pipes', () => {
          const targets = Object.values(descriptors(pid)).filter((name) =>
            name.startsWith('pipe:'),
          );
          return targets.every((name) => targets.filter((other) => other === name).length === 2);
        });
      },
    },
  );
  const pid = nest.pid();
  assert.equal((await ask(port)).stdinEnded, true);
  assert.ok((await cpuTicks(pid, 500)) <= 5, 'it spins');
});

bothWays('$(...) around the launcher ends with it', async (nest) => {
  const script = 'said=$("$@" 2>&1); echo "$? $said"';
  const { code, stdout } = await nest.launch('serve', {}, { under: ['bash', '-c', script, 'sh'] });
  assert.equal(code, 0);
  assert.match(stdout, /^0 port \d+\n$/);
  assert.equal(nest.processes().length, 1);
});

bothWays('what the starter left open is closed, but not what is to be kept', async (nest) => {
  const file = `${nest.directory}/leaked`;
  const under = ['sh', '-c', `exec 7>${file} 8>${file}; exec "$@"`, 'sh'];
  const leaked = (pid: number) =>
    Object.entries(descriptors(pid)).flatMap(([fd, target]) => (target === file ? [fd] : []));
  const first = await nest.start('serve', {}, { under });
  assert.deepEqual(leaked(first.pid), []);
  await nest.end(first.pid);
  const second = await nest.start('keep', {}, { under });
  assert.deepEqual(leaked(second.pid), ['7']);
  await nest.end(second.pid);
  const third = await nest.start('serve', { closeInherited: false }, { under });
  assert.deepEqual(leaked(third.pid), ['7', '8']);
});

test('a fork of the daemon neither holds nor removes the pidfile', async (t) => {
  const nest = new Nest(t);
  const { pid } = await nest.start('worker');
  const others = () => nest.processes().filter((other) => other !== pid);
  const workers = await until('it has forked', () => others().length > 0 && others());
  assert.ok(workers);
  const held = () => Object.values(descriptors(workers[0] ?? 0)).includes(nest.pidFile);
  await until('it has closed the pidfile', () => !held());
  await until('the fork has exited', () => nest.logged().includes(`exit 0 of ${workers[0]}`));
  assert.equal(nest.pid(), pid);
});

bothWays(
  'with ready: manual, the launcher waits; early words reach it and the log',
  async (nest) => {
    const { code, stderr, milliseconds } = await nest.launch('late');
    assert.deepEqual({ code, stderr }, { code: 0, stderr: 'early words\n' });
    assert.ok(milliseconds >= 300, `${milliseconds} ms`);
    await until('late words', () => nest.logged() === 'early words\nlate words\n');
  },
);

test('detach: false keeps process, session and streams, and throws errors', async (t) => {
  const nest = new Nest(t);
  const foreground = async ({ stdout }: ChildProcess) => {
    assert.ok(stdout);
    const [said] = await once(stdout, 'data');
    // It answers when becomeDaemon() has returned.
    await ask(Number(/port (\d+)/.exec(said)?.[1]));
    const pid = nest.pid();
    assert.deepEqual(nest.processes(), [pid]);
    assert.equal(stat(pid)[1], String(process.pid));
    assert.equal(readlinkSync(`/proc/${pid}/cwd`), '/');
    process.kill(pid, 'SIGTERM');
  };
  const options = { detach: false, log: undefined };
  const { code, stdout, stderr } = await nest.launch('serve', options as never, {
    meanwhile: foreground,
  });
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  assert.match(stdout, /^port \d+\nexit 0 of \d+\n$/);
  assert.equal(existsSync(nest.pidFile), false);
  const failed = await nest.fails('throws', options as never);
  assert.match(failed.stderr, /Error: the hook does not want to\n(.*\n)* +step: 'privileged'/);
});

/** A shell on a terminal of its own, in which the launcher runs; hangUp() takes the terminal away. */
async function onTerminal(t: TestContext, nest: Nest, scenario: string, typed = '') {
  const shell = 'trap : INT; "$@"; echo "launcher: $?"; stty -a; echo end; read line';
  const args = [TERMINAL, 'sh', '-c', shell, 'sh', ...nest.command(scenario)];
  const terminal = spawn('python3', args, { env: nest.env(), stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => terminal.kill('SIGKILL'));
  let output = '';
  terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  if (typed !== '') {
    await until('the daemon runs', () => existsSync(nest.pidFile) && nest.pid() > 0);
    terminal.stdin.write(typed);
  }
  await until('the launcher has ended', () => /^end\r$/m.test(output));
  const hangUp = async () => {
    const exit = once(terminal, 'exit');
    terminal.stdin.end();
    await exit;
  };
  return { output, hangUp, port: Number(/port (\d+)/.exec(output)?.[1]) };
}

for (const [strategy, scenario] of [
  ['fork', 'serve'],
  ['fork', 'tty'],
  ['reexec', 'serve'],
] as const) {
  const what = 'nothing of the terminal is left, and it serves after a hang-up';
  test(`${strategy}, ${scenario}: ${what}`, async (t) => {
    const nest = new Nest(t, strategy);
    const { output, hangUp, port } = await onTerminal(t, nest, scenario);
    assert.match(output, /launcher: 0/);
    const pid = nest.pid();
    const before = await ask(port);
    assert.equal(before.pid, pid);
    assert.match(output, / icanon /, 'the terminal is as it was');
    const targets = Object.values(descriptors(pid));
    assert.deepEqual(
      targets.filter((target) => /^\/dev\/(pts|tty)/.test(target)),
      [],
    );
    await hangUp();
    assert.deepEqual(nest.processes(), [pid]);
    assert.equal((await ask(port, '/log')).pid, pid);
    const words = 'to stdout\nto stderr\nwritten to process.stdout\n';
    const stdinEnded = scenario === 'tty' ? 'stdin ended\n' : '';
    assert.equal(nest.logged(), stdinEnded + words);
    assert.ok((await cpuTicks(pid, 500)) <= 5, 'it spins');
    process.kill(pid, 'SIGWINCH');
    assert.equal((await ask(port)).pid, pid);
    await nest.end(pid);
  });
}

bothWays('^C on a raw terminal ends launcher and daemon', async (nest, t) => {
  const { output, hangUp } = await onTerminal(t, nest, 'hangsRaw', '\x03');
  assert.match(output, /SIGINT ended the launcher before the daemon was ready/);
  assert.match(output, /launcher: 130/);
  assert.match(output, / icanon /);
  await hangUp();
  assert.deepEqual(nest.processes(), []);
  assert.equal(existsSync(nest.pidFile), false);
});
