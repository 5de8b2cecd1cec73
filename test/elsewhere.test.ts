// Unsupported systems (simulated) and other runtimes. The package can be loaded there; a call
// works, or fails with the name of the function.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { NODES } from '../lib/addon/absent.js';
import { native } from '../lib/addon/native.js';
import { root } from './tools/package.js';
import { fixture } from './tools/run.js';
import { findRuntime, type Runtime } from './tools/runtimes.js';
import { scratch } from './tools/scratch.js';

interface Report {
  answers: Record<string, { code?: string; message?: string }>;
  done?: Record<string, unknown>;
}

/** Calls with a true result everywhere: there is no manager, no daemon, no fork for the hooks. */
const QUIET = ['atFork', 'currentDaemon', 'forkSupport', 'listenFds', 'notify'].concat([
  'notifyBarrier',
  'startWatchdog',
  'supervisor',
  'watchdogInterval',
]);

function ask(t: TestContext, command: string[]) {
  const folder = scratch(t);
  writeFileSync(join(folder, 'marker'), '');
  const [program = '', ...args] = [...command, fixture('elsewhere.js'), folder];
  const { NOTIFY_SOCKET, LISTEN_PID, INVOCATION_ID, ...env } = process.env;
  const { status, signal, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    env: { ...env, NO_COLOR: '1' },
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  assert.equal(stderr, '');
  const { answers, done } = JSON.parse(stdout) as Report;
  assert.deepEqual(readdirSync(folder), ['marker'], 'what is refused leaves nothing behind');
  const names = (is: (code?: string) => boolean) =>
    Object.keys(answers)
      .filter((name) => is(answers[name]?.code))
      .sort();
  return { status, signal, answers, done, refused: names((code) => code === 'ENOTSUP'), names };
}

for (const platform of ['darwin', 'win32']) {
  test(`on ${platform} the package loads, and its calls say where it runs`, (t) => {
    const lacks =
      platform === 'darwin'
        ? ''
        : 'for (const name of Object.keys(process)) if (/[ug]id|groups/.test(name)) delete process[name];';
    const told = `Object.defineProperty(process, 'platform', { value: '${platform}' }); ${lacks}`;
    const { status, answers, refused } = ask(t, [
      process.execPath,
      ...['--import', `data:text/javascript,${encodeURIComponent(told)}`],
    ]);
    assert.equal(status, 0);
    const others = Object.keys(answers).filter((name) => !refused.includes(name));
    assert.deepEqual(others.sort(), QUIET.sort());
    assert.ok(refused.length > 40, refused.join());
    for (const name of refused) {
      const text = `ENOTSUP: daemonkit runs on Linux and FreeBSD only; this is ${platform}, `;
      assert.ok(answers[name]?.message?.includes(text), answers[name]?.message);
    }
  });
}

test('the command says so too, and what needs no system is told', () => {
  const told = "Object.defineProperty(process, 'platform', { value: 'darwin' });";
  const command = (...args: string[]) => {
    const bin = fixture('../../lib/cli/bin.js');
    const options = ['--import', `data:text/javascript,${encodeURIComponent(told)}`];
    return spawnSync(process.execPath, [...options, bin, ...args], { encoding: 'utf8' });
  };
  assert.match(command('--version').stdout, /^\d+\.\d+\.\d+\n$/);
  const { status, stdout, stderr } = command('status');
  assert.deepEqual(
    { status, stdout, stderr },
    {
      status: 111,
      stdout: '',
      stderr: 'daemonkit runs on Linux and FreeBSD only; this is darwin\n',
    },
  );
});

test("what is Node's own is in the addon", () => {
  assert.deepEqual(
    [...NODES].filter((name) => !(name in native)),
    [],
  );
});

test('what the addon calls of libuv may be missing', () => {
  const cpp = join(root, 'cpp');
  const text = (name: string) => readFileSync(join(cpp, name), 'utf8');
  const sources = readdirSync(cpp, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.cc') && !name.startsWith('build/'),
  );
  const code = sources.map((name) => text(name).replace(/\/\/.*/g, '')).join('\n');
  const called = new Set([...code.matchAll(/\b(uv_[a-z]\w*)\(/g)].map(([, name = '']) => name));
  assert.ok(called.has('uv_poll_init'));
  const weak = [...text('optional_uv.h').matchAll(/\.weak (\w+)/g)].map(([, name = '']) => name);
  // A function may be named without being called.
  const unused = weak.filter((name) => !new RegExp(`\\b${name}\\b`).test(code));
  const strong = [...called].filter((name) => !weak.includes(name));
  assert.deepEqual({ strong, unused }, { strong: [], unused: [] });
});

/** What is about Node itself. */
const NEEDS_NODE = [
  ...['Pidfile', 'SignalFlag', 'becomeDaemon', 'closeInherited', 'execve', 'fork', 'forkInterface'],
  ...[
    'ignoreSignals',
    'openDescriptors',
    'planDaemon',
    'prefork',
    'quiesce',
    'reapOrphans',
    'redirect',
  ],
  ...['redirectToNull', 'resetSignals', 'waitpidAsync'],
];

function runsIn(name: Runtime): void {
  const found = findRuntime(name);
  test(name, { skip: found.skip }, (t) => {
    assert.ok('command' in found);
    const { status, signal, answers, done, refused, names } = ask(t, found.command);
    // By _exit(7), and not by an abort in a function of libuv's.
    assert.deepEqual({ status, signal }, { status: 7, signal: null });
    const missing = NEEDS_NODE.filter((one) => !refused.includes(one));
    assert.deepEqual(missing, []);
    for (const one of refused) {
      const { message = '' } = answers[one] ?? {};
      assert.match(message, new RegExp(`needs Node\\.js; .*${name} \\d+\\.\\d+\\.\\d+`));
    }
    const work = names((code) => code !== 'ENOTSUP');
    for (const one of ['chroot', 'closefrom', 'dup2', 'getdtablesize', 'getppid', 'getrlimit']) {
      assert.ok(work.includes(one), one);
    }
    assert.ok(work.length > 30, work.join());
    const { chroot = true, setsid, ...rest } = done ?? {};
    assert.deepEqual(rest, { getppid: process.pid, dup2: true, closefrom: '', rlimit: '2010' });
    const [session, own] = setsid as number[];
    assert.equal(session, own);
    assert.equal(chroot, true);
  });
}

describe('other runtimes', () => {
  runsIn('Bun');
  runsIn('Deno');
});
