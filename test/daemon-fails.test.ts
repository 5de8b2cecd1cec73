// A daemon that does not start: the launcher says why and fails, and nothing is left behind.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { becomeDaemon, type DaemonOptions } from 'daemonkit';
import { bothWays, Nest, until } from './tools/daemons.js';
import { linesOf } from './tools/script.js';

test('wrong options are refused before anything happens', () => {
  const type = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
  const value = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' };
  const range = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
  const wrong: [Record<string, unknown>, object][] = [
    [{ pidfile: 1 }, type],
    [{ pidfile: '' }, value],
    [{ log: 'a\0b' }, value],
    [{ stdout: null }, type],
    [{ stderr: {} }, type],
    [{ umask: '022' }, type],
    [{ umask: 0o1000 }, range],
    [{ umask: -1 }, range],
    [{ cwd: 1 }, type],
    [{ chroot: '' }, value],
    [{ user: -1 }, range],
    [{ user: 2 ** 32 - 1 }, range],
    [{ user: true }, type],
    [{ user: '' }, value],
    [{ group: 1.5 }, range],
    [{ privileged: 'x' }, type],
    [{ keep: 3 }, type],
    [{ keep: [-1] }, range],
    [{ closeInherited: 1 }, type],
    [{ ready: 'soon' }, value],
    [{ timeout: 0 }, range],
    [{ timeout: '1' }, type],
    [{ detach: 'no' }, type],
    [{ pidfiles: '/tmp/x' }, value],
  ];
  for (const [options, expected] of wrong) {
    assert.throws(() => becomeDaemon(options as DaemonOptions), expected, JSON.stringify(options));
  }
  assert.throws(() => becomeDaemon(null as never), type);
});

test('a Worker cannot become a daemon', async () => {
  const library = JSON.stringify(new URL('../lib/index.js', import.meta.url).href);
  const code = `import(${library}).then(({ becomeDaemon }) => becomeDaemon())`;
  const worker = new Worker(code, { eval: true });
  const [error] = await once(worker, 'error');
  assert.equal(error.code, 'ERR_WORKER_UNSUPPORTED_OPERATION');
});

test('without descriptors at any point: EMFILE, and nothing is left', async (t) => {
  const nest = new Nest(t);
  let failures = 0;
  for (let limit = 26; ; limit++) {
    const env = { LIMIT: String(limit) };
    const { code, stderr } = await nest.launch('limited', {}, { env });
    if (code === 0) break;
    assert.deepEqual(nest.processes(), []);
    assert.equal(existsSync(nest.pidfile), false, stderr);
    assert.match(stderr, /EMFILE/);
    failures++;
  }
  assert.ok(failures >= 4, `${failures} points`);
});

const TWICE =
  'Invalid state: this process is a daemon already, so use currentDaemon() ?? becomeDaemon()';

bothWays('a daemon does not become one once more, and goes on', async (nest) => {
  const { pid } = await nest.start('twice');
  await until('it was told', () => nest.logged() !== '');
  assert.equal(nest.logged(), `${TWICE}; true\n`);
  assert.deepEqual(nest.processes(), [pid]);
  await nest.end(pid);
});

test('nor in the foreground, nor in a plan, until it is disposed', () => {
  const told = linesOf(`const { becomeDaemon, planDaemon } = daemonkit;
    const say = (value) => console.log(JSON.stringify(value));
    const daemon = becomeDaemon({ detach: false });
    try { becomeDaemon({ detach: false }); } catch ({ code, message }) { say([code, message]); }
    const fork = () => planDaemon({ detach: true })[0];
    say([fork().step, fork().precondition.code]);
    daemon[Symbol.dispose]();
    say(fork().precondition);
    say(becomeDaemon({ detach: false }) === daemonkit.currentDaemon());`);
  const code = 'ERR_INVALID_STATE';
  assert.deepEqual(told, [[code, TWICE], ['fork', code], 'met', true]);
});

// What the launcher can know is thrown, as any error of the script: node prints it.
const thrown: [
  step: string,
  options: (d: string) => DaemonOptions,
  words: (d: string) => string,
][] = [
  [
    'chdir',
    (d) => ({ cwd: `${d}/no` }),
    (d) => `ENOENT: no such file or directory, stat '${d}/no'`,
  ],
  ['chdir', (d) => ({ cwd: `${d}/file` }), (d) => `ENOTDIR: not a directory, chdir '${d}/file'`],
  [
    'pidfile',
    (d) => ({ pidfile: `${d}/no/p` }),
    (d) => `ENOENT: no such file or directory, open '${d}/no/p'`,
  ],
  [
    'chroot',
    (d) => ({ chroot: `${d}/file` }),
    (d) => `ENOTDIR: not a directory, chroot '${d}/file'`,
  ],
  [
    'setgroups',
    () => ({ user: 'nobody-at-all' }),
    () => 'ENOENT: no such user: nobody-at-all, getpwnam',
  ],
  ['setgroups', () => ({ group: 'no-group' }), () => 'ENOENT: no such group: no-group, getgrnam'],
  [
    'setgroups',
    () => ({ user: 54321 }),
    () => 'ENOENT: no such user: 54321, and no group is given',
  ],
  [
    'stdio',
    (d) => ({ log: `${d}/no/log` }),
    (d) => `ENOENT: no such file or directory, open '${d}/no/log'`,
  ],
];

for (const [step, options, words] of thrown) {
  test(`${step} is checked in the launcher: ${words('')}`, async (t) => {
    const nest = new Nest(t);
    writeFileSync(`${nest.directory}/file`, '');
    const { code, stderr, stdout } = await nest.fails('serve', options(nest.directory));
    assert.equal(code, 1);
    assert.ok(stderr.includes(words(nest.directory)), stderr);
    assert.ok(stderr.includes(`step: '${step}'`), stderr);
    assert.match(stdout, /^exit 1 of/m, 'it was an error of the script');
  });
}

// What goes wrong in the daemon only.
const reported: [scenario: string, words: RegExp, options?: (d: string) => DaemonOptions][] = [
  ['removes', /step chdir: ENOENT: .*chdir .*\/room' \(errno 2\)/, (d) => ({ cwd: `${d}/room` })],
  ['replaces', /step pidfile: ESTALE: the pidfile was removed or replaced, .*\(errno 116\)/],
  ['throws', /step privileged: the hook does not want to\n\s+at .*daemon-failing\.js/],
  [
    'removes',
    /step chroot: ENOENT: .*, chroot '.*\/room' \(errno 2\)/,
    (d) => ({ chroot: `${d}/room` }),
  ],
  ['closesNull', /step stdio: EBADF: bad file descriptor, dup2 \(errno 9\)/],
  ['childHook', /step fork: the child hook does not want to/],
];

for (const [scenario, words, options = () => ({})] of reported) {
  bothWays(`the launcher tells of ${words.source}`, async (nest) => {
    const room = `${nest.directory}/room`;
    mkdirSync(room);
    const env = { REMOVE: room };
    const { directory } = nest;
    const launch = await nest.launch(scenario, options(directory), { env });
    const { code, stderr, stdout } = launch;
    assert.equal(code, 1);
    assert.ok(stderr.startsWith('daemonkit: the daemon did not start: '), stderr);
    assert.match(stderr, words);
    assert.doesNotMatch(stdout, /exit/, 'no exit listeners anywhere');
    assert.deepEqual(nest.processes(), []);
    // A file that another program has put there must not be removed.
    assert.equal(existsSync(nest.pidfile), scenario === 'replaces');
  });
}

test('an error of fork() is thrown in the launcher', async (t) => {
  const nest = new Nest(t);
  const { code, stderr } = await nest.fails('beforeHook');
  assert.equal(code, 1);
  assert.match(stderr, /the before hook does not want to/);
  assert.match(stderr, /step: 'fork'/);
});

const SAID = 'daemonkit: the daemon did not start: ';

bothWays('fail() tells the launcher; the exit listeners run in the daemon', async (nest) => {
  const { code, stderr } = await nest.fails('fails');
  assert.equal(code, 1);
  assert.ok(stderr.startsWith(`early words\n${SAID}ENODB: no database\n    at `), stderr);
  assert.match(nest.logged(), /^exit seen by the daemon$/m);
  assert.match(nest.logged(), /^early words$/m);
});

bothWays('a daemon that exits before it is ready', async (nest) => {
  const three = await nest.fails('exits');
  assert.equal(three.code, 3);
  assert.equal(three.stderr, `early words\n${SAID}it exited with code 3 before it was ready\n`);
  const zero = await nest.fails('exitsZero');
  assert.equal(zero.code, 1);
  assert.equal(zero.stderr, `${SAID}it exited with code 0 before it was ready\n`);
});

bothWays('an uncaught error before it is ready reaches the launcher and the log', async (nest) => {
  const { code, stderr } = await nest.fails('uncaught');
  assert.equal(code, 1);
  assert.match(stderr, /Error: nobody catches this\n\s+at /);
  assert.ok(stderr.endsWith(`${SAID}it exited with code 1 before it was ready\n`));
  assert.match(readFileSync(nest.log, 'utf8'), /Error: nobody catches this\n\s+at /);
});

bothWays('a daemon that is killed before it is ready: by which signal', async (nest) => {
  const { code, stderr } = await nest.fails('killed');
  assert.equal(code, 137);
  assert.equal(stderr, `${SAID}it was killed by SIGKILL before it was ready\n`);
});

test('the end of the line is no success', async (t) => {
  const nest = new Nest(t);
  const { code, stderr } = await nest.fails('closesLine');
  assert.equal(code, 1);
  assert.match(stderr, /it closed the line to the launcher before it was ready/);
});

bothWays('a timeout ends the daemon and what it has started, SIGTERM or not', async (nest) => {
  const why = "(ready: 'manual', but ready() was never called)";
  const told = async (scenario: string) => {
    const { code, stderr, milliseconds } = await nest.isLate(scenario, 300);
    assert.equal(code, 1);
    assert.ok(milliseconds >= 300 && milliseconds < 25_000, `${milliseconds} ms`);
    // A program that is started again may have got that far, or not.
    return stderr.replace(/; the script was started again, .*/, ` ${why}`);
  };
  const words = `${SAID}it was not ready within 300 ms, and was ended ${why}\n`;
  assert.deepEqual([await told('hangs'), await told('hangsWithChild')], [words, words]);
});

bothWays(
  'sessions of its own end too; what the launcher had started before stays',
  async (nest) => {
    const ends: [scenario: string, words: RegExp][] = [
      ['detachedFails', /step privileged: the hook does not want to/],
      ['detachedHangs', /it was not ready within 1000 ms/],
    ];
    for (const [scenario, words] of ends) {
      const { code, stderr, stdout } = await nest.launch(scenario, {
        timeout: scenario === 'detachedHangs' ? 1000 : 30_000,
      });
      assert.equal(code, 1);
      assert.match(stderr, words);
      const before = Number(/^launcher's own (\d+)$/m.exec(stdout)?.[1]);
      assert.deepEqual(nest.processes(), [before]);
      await nest.end(before, 'SIGKILL');
    }
  },
);

for (const [signal, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
  ['SIGHUP', 1],
] as const) {
  test(`${signal} to the waiting launcher ends the daemon too`, async (t) => {
    const nest = new Nest(t);
    const { code, stderr } = await nest.fails(
      'hangs',
      {},
      {
        meanwhile: async (launcher) => {
          await until('the daemon runs', () => existsSync(nest.pidfile) && nest.pid() > 0);
          launcher.kill(signal);
        },
      },
    );
    assert.equal(code, 128 + number);
    assert.equal(stderr, `${SAID}${signal} ended the launcher before the daemon was ready\n`);
  });
}

bothWays('a daemon whose launcher was killed does not stay when it is ready', async (nest) => {
  const { signal } = await nest.launch(
    'late',
    {},
    {
      meanwhile: async (launcher) => {
        await until('the daemon runs', () => existsSync(nest.pidfile) && nest.pid() > 0);
        launcher.kill('SIGKILL');
      },
    },
  );
  assert.equal(signal, 'SIGKILL');
  await until('the daemon has ended', () => nest.processes().length === 0);
  assert.equal(existsSync(nest.pidfile), false);
});
