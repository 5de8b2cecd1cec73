// A daemon that starts: what it is, seen from outside.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { ask, bothWays, lives, Nest, until } from './tools/daemons.js';
import { adopter, descriptors, stat, status } from './tools/proc.js';

bothWays('it serves on the socket that was opened before', async (nest) => {
  const { port, pid, stdout } = await nest.start('serve');
  assert.deepEqual(await ask(port), { pid, ppid: adopter(), cwd: '/', stdinEnded: false });
  assert.equal(stdout, `port ${port}\n`, 'the launcher runs no exit listeners');
  assert.deepEqual(nest.processes(), [pid]);
});

bothWays('it has a session that it does not lead, and no terminal', async (nest) => {
  const { pid } = await nest.start('serve');
  const [, ppid, pgrp, session, tty] = stat(pid);
  assert.equal(Number(ppid), adopter());
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

// Node resets the signals up to 31 when it starts, and unblocks none.
const IGNORES = `import os, signal, sys
for number in (1, 40): signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [12, 41])
os.execvp(sys.argv[1], sys.argv[1:])`;

bothWays('no signal is ignored or blocked that Node does not ignore itself', async (nest) => {
  const { pid } = await nest.start('serve', {}, { under: ['python3', '-c', IGNORES] });
  const { SigIgn, SigBlk } = status(pid);
  // SIGPIPE (13) and SIGXFSZ (25).
  assert.equal(BigInt(`0x${SigIgn}`), (1n << 12n) | (1n << 24n));
  assert.equal(BigInt(`0x${SigBlk}`), 0n);
});

bothWays('SIGTERM ends it with its exit listeners, and removes the pidfile', async (nest) => {
  const { pid } = await nest.start('serve');
  assert.equal(readFileSync(nest.pidfile, 'utf8'), `${pid}\n`);
  await nest.end(pid);
  assert.equal(nest.logged(), `exit 0 of ${pid}\n`);
  assert.equal(existsSync(nest.pidfile), false);
});

test('a SIGTERM listener of the script decides itself', async (t) => {
  const nest = new Nest(t);
  const { pid } = await nest.start('ownTerm');
  await nest.end(pid);
  assert.equal(nest.logged(), `own SIGTERM\nexit 5 of ${pid}\n`);
  assert.equal(existsSync(nest.pidfile), false);
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
  await until('the pidfile is gone', () => !existsSync(nest.pidfile));
  const { pid } = await ask(port);
  await nest.end(pid);
  assert.equal(nest.logged(), '', 'killed');
});

bothWays('a second start says which process runs, and harms nothing', async (nest) => {
  const { pid, port } = await nest.start('serve');
  const { code, stderr } = await nest.launch('serve');
  assert.equal(code, 1);
  const words = `EEXIST: already running as process ${pid}, flock '${nest.pidfile}'`;
  assert.ok(stderr.includes(words), stderr);
  assert.match(stderr, /step: 'pidfile'/);
  assert.equal(nest.pid(), pid);
  assert.equal((await ask(port)).pid, pid);
  assert.deepEqual(nest.processes(), [pid]);
  await nest.end(pid, 'SIGKILL');
  assert.equal(nest.pid(), pid, 'nobody could remove it');
  assert.notEqual((await nest.start('serve')).pid, pid);
});

bothWays('what the starter left open is closed, but not what is to be kept', async (nest) => {
  const file = `${nest.directory}/leaked`;
  const under = ['sh', '-c', `exec 7>${file} 8>${file}; "$@"; exit $?`, 'sh'];
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
  const forked = await until('it has forked', () => (others().length > 0 ? others() : undefined));
  const [worker = 0] = forked;
  const held = () => Object.values(descriptors(worker)).includes(nest.pidfile);
  await until('it has closed the pidfile', () => !held());
  await lives(worker);
  process.kill(worker, 'SIGUSR2');
  await until('the fork has exited', () => nest.logged().includes(`exit 0 of ${worker}`));
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
  assert.equal(existsSync(nest.pidfile), false);
  const failed = await nest.fails('throws', options as never);
  assert.match(failed.stderr, /Error: the hook does not want to\n(.*\n)* +step: 'privileged'/);
});
