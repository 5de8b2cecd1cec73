// Every step of becomeDaemon() made to fail, by the kernel: what the launcher says, and that nothing
// is left. What can be known before anything is done, is in daemon-fails.test.ts. Three steps cannot
// fail: umask(2) has no errors, what close(2) of an inherited descriptor says is passed over, and the
// exit of the launcher.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { DaemonOptions } from 'daemonkit';
import { Nest } from './tools/daemons.js';
import { needsRoot } from './tools/needs.js';
import { linesOf } from './tools/script.js';

const SAID = 'daemonkit: the daemon did not start: ';
const nobody = { user: 'nobody' };

type Case = [
  scenario: string,
  refused: string,
  words: string | RegExp,
  options?: (nest: Nest) => DaemonOptions,
];

const jail = ({ directory }: Nest) => ({ chroot: directory });

/** The words are what follows `step `, up to the stack. */
const cases: Case[] = [
  ['refusesInCopies', 'setsid 1', 'setsid: EPERM: operation not permitted, setsid (errno 1)'],
  ['refusesInCopies', 'clone 11', /^fork: EAGAIN: .*, clone \(errno 11\)$/],
  ['refusesInCopies', 'chdir 13', /^chdir: EACCES: .*, chdir '.*' -> '\/' \(errno 13\)$/],
  ['refusesInCopies', 'pwrite64 28', /^pidfile: ENOSPC: .*, write '.*' \(errno 28\)$/],
  ['refusesInCopies', 'pwrite64 5', /^pidfile: EIO: .*, write '.*' \(errno 5\)$/],
  [
    'hookFails',
    '',
    "privileged: ENOENT: no such file or directory, open '/nowhere/at/all' (errno 2)",
  ],
  [
    'refusesInHook',
    'getdents64 24',
    /^descriptors: EMFILE: .*, scandir '\/proc\/self\/fd' \(errno 24\)$/,
  ],
  ['refusesInHook', 'chroot 1', /^chroot: EPERM: .*, chroot '.*' \(needs .*\) \(errno 1\)$/, jail],
  [
    'refusesInHook',
    'chdir 2',
    "chroot: ENOENT: the root directory was changed, but not the working directory, chdir '/' (errno 2)",
    jail,
  ],
  [
    'refusesInHook',
    'setgroups 12',
    /^setgroups: ENOMEM: .*, setgroups \(errno 12\)$/,
    () => nobody,
  ],
  [
    'refusesInHook',
    'setresgid 1',
    /^setgid: EPERM: .*, setresgid \(needs .*\) \(errno 1\)$/,
    () => nobody,
  ],
  ['refusesInHook', 'setresuid 11', /^setuid: EAGAIN: .*, setresuid \(errno 11\)$/, () => nobody],
  // Calls that say all is well and have done nothing.
  [
    'refusesInHook',
    'setresuid 0',
    /^drop: ERR_PRIVILEGES_KEPT: .* the user id is 0, not 65534$/,
    () => nobody,
  ],
  [
    'refusesInHook',
    'setresgid 0',
    /^drop: ERR_PRIVILEGES_KEPT: .* the group id is 0, not 65534$/,
    () => nobody,
  ],
  [
    'refusesInHook',
    'prctl 22',
    'noNewPrivileges: EINVAL: invalid argument, prctl (errno 22)',
    () => ({ noNewPrivileges: true }),
  ],
  ['refusesInHook', 'dup3 24', 'stdio: EMFILE: too many open files, dup2 (errno 24)'],
  [
    'refusesInHook',
    'rt_sigprocmask 22',
    'signals: EINVAL: invalid argument, pthread_sigmask (errno 22)',
  ],
  ['noEnvironment', '', 'environment: this variable stays'],
  ['refusesWhenReady', 'dup3 24', 'ready: EMFILE: too many open files, dup2 (errno 24)'],
];

for (const [scenario, refused, words, options = () => ({})] of cases) {
  test(`${scenario} ${refused}: ${words}`, needsRoot, async (t) => {
    const nest = new Nest(t);
    const env = { REFUSE: refused, TERM: 'xterm' };
    const { code, stderr, stdout } = await nest.fails(scenario, options(nest), { env });
    assert.equal(code, 1);
    assert.ok(stderr.startsWith(`${SAID}step `), stderr);
    const [said = '', ...stack] = stderr.slice(`${SAID}step `.length).trimEnd().split('\n');
    if (typeof words === 'string') assert.equal(said, words);
    else assert.match(said, words);
    assert.ok(stack.length > 0 && stack.every((line) => /^ +at /.test(line)), stderr);
    assert.doesNotMatch(stdout, /exit/, 'no exit listeners anywhere');
    assert.deepEqual(readdirSync(nest.directory), ['d.log']);
  });
}

test('a first fork that fails is an error of the script', needsRoot, async (t) => {
  const nest = new Nest(t);
  const env = { REFUSE: 'clone 11' };
  const { code, stderr, stdout } = await nest.fails('refusesInLauncher', {}, { env });
  assert.equal(code, 1);
  assert.match(stderr, /Error: becomeDaemon: step fork: EAGAIN: .*, clone\n(.*\n)* +step: 'fork'/);
  assert.match(stdout, /^exit 1 of/m);
});

test('a timeout ends who cannot be told: process between, hook', async (t) => {
  const nest = new Nest(t);
  for (const scenario of ['middleHangs', 'hookHangs']) {
    const { code, stderr } = await nest.isLate(scenario, 500);
    assert.equal(code, 1);
    assert.equal(stderr, `${SAID}it was not ready within 500 ms, and was ended\n`);
  }
});

test('a signal that ends the daemon is named, and a core file', async (t) => {
  const nest = new Nest(t);
  const signals = [
    ['SIGSEGV', 11],
    ['SIGABRT', 6],
    ['SIGUSR2', 12],
    ['SIGHUP', 1],
    ['SIGTERM', 15],
  ] as const;
  for (const [signal, number] of signals) {
    const { code, stderr } = await nest.fails('signalled', {}, { env: { SIGNAL: signal } });
    assert.equal(code, 128 + number);
    assert.equal(stderr, `early words\n${SAID}it was killed by ${signal} before it was ready\n`);
  }
  assert.match(nest.logged(), /^exit 143 of \d+$/m, 'SIGTERM leaves room for exit listeners');
  // As much of a core file as the limit allows, where the kernel writes files.
  if (readFileSync('/proc/sys/kernel/core_pattern', 'latin1').startsWith('|')) return;
  const env = { SIGNAL: 'SIGSEGV', CORE: '65536' };
  const { stderr } = await nest.fails('signalled', { cwd: nest.directory }, { env });
  const how = 'it was killed by SIGSEGV (core dumped) before it was ready';
  assert.equal(stderr, `early words\n${SAID}${how}\n`);
});

test('the reason stays the reason when the pid is told after it', () => {
  // As when the daemon fails at once, and the process between is slower to say which one it is.
  const [outcome] = linesOf<unknown[]>(
    `const ended = () => daemonkit.fork() || daemonkit._exit(0);
    const middle = ended();
    const daemon = ended();
    const [ours, theirs] = native.socketpair(true);
    const [relay] = native.socketpair(false);
    native.sendRecord(theirs, 'fthe reason');
    native.sendRecord(theirs, 'p' + daemon);
    console.log(JSON.stringify(native.awaitBirth(ours, relay, -1, middle, 5000)));`,
  );
  assert.deepEqual(outcome, [1, 0, 0, 'the reason']);
});
