// Dispositions and the mask, from /proc/PID/status.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { native } from '../lib/addon/native.js';
import { needs } from './tools/needs.js';
import { signals } from './tools/proc.js';
import { entry, runScript } from './tools/script.js';
import { disposition, guard, subject } from './tools/subject.js';

const folder = mkdtempSync(join(tmpdir(), 'daemonkit-dispositions-'));
after(() => rmSync(folder, { recursive: true }));

const [HUP, INT, QUIT, USR1, USR2, SEGV, PIPE, ALRM, TERM, CHLD, WINCH, XFSZ, IO, RT] = [
  ...[1, 2, 3, 10, 12, 11, 13, 14, 15, 17, 28, 25, 29],
  // SIGRTMIN+6: musl keeps one signal more for itself than glibc.
  native.signalRtMin() + 6,
] as const;

/** The signals of a mask of /proc. */
function members(mask = '0'): number[] {
  const bits = BigInt(`0x${mask}`);
  return Array.from({ length: 64 }, (_, i) => i + 1).filter((n) => (bits >> BigInt(n - 1)) & 1n);
}

test('ignoreSignals: SigIgn, a signal that does nothing, and what was there before', async () => {
  await using quiet = subject(`
    const outer = daemonkit.ignoreSignals(['SIGHUP', 'SIGTERM', 'SIGRTMIN+6']);
    const inner = daemonkit.ignoreSignals('SIGHUP');
    process.on('SIGUSR2', () => {
      inner[Symbol.dispose]();
      say('inner');
      process.once('SIGUSR2', () => {
        outer[Symbol.dispose]();
        outer[Symbol.dispose]();
        say('outer');
      });
    });
    say('ignored');
    setInterval(() => {}, 1000);`);
  const own = members(signals('self').SigIgn);
  assert.deepEqual(own, [PIPE, XFSZ]);
  assert.equal(await quiet.line(), 'ignored');
  for (const signal of [HUP, TERM, RT]) process.kill(quiet.pid, signal);
  const ignored = () => members(signals(quiet.pid).SigIgn);
  assert.deepEqual(ignored(), [HUP, PIPE, TERM, XFSZ, RT]);
  process.kill(quiet.pid, 'SIGUSR2');
  assert.equal(await quiet.line(), 'inner');
  assert.deepEqual(ignored(), [HUP, PIPE, TERM, XFSZ, RT]);
  process.kill(quiet.pid, 'SIGUSR2');
  assert.equal(await quiet.line(), 'inner');
  assert.equal(await quiet.line(), 'outer');
  assert.deepEqual(ignored(), [PIPE, XFSZ]);
  // Node's own handler, not the default action.
  assert.equal(disposition(TERM, quiet.pid), 'caught');
  process.kill(quiet.pid, 'SIGHUP');
  assert.equal(await quiet.end(), 'SIGHUP');
});

test('ignoreSignals: not what is listened to; who comes later takes the signal over', async () => {
  await using later = subject(`
    const code = (f) => { try { f(); } catch (e) { return e.code; } };
    const flag = new SignalFlag('SIGUSR2');
    process.on('SIGALRM', () => {});
    say(code(() => daemonkit.ignoreSignals(['SIGIO', 'SIGUSR2'])));
    say(code(() => daemonkit.ignoreSignals(['SIGIO', 'SIGALRM'])));
    const ignored = daemonkit.ignoreSignals(['SIGHUP', 'SIGQUIT', 'SIGUSR1']);
    process.on('SIGHUP', () => say('heard'));
    new SignalFlag('SIGQUIT')[Symbol.dispose]();
    say('ready');
    process.once('SIGTERM', () => { ignored[Symbol.dispose](); say('disposed'); });
    setInterval(() => {}, 1000);`);
  assert.equal(await later.line(), 'ERR_INVALID_STATE');
  assert.equal(await later.line(), 'ERR_INVALID_STATE');
  assert.equal(await later.line(), 'ready');
  assert.deepEqual(members(signals(later.pid).SigIgn), [QUIT, USR1, PIPE, XFSZ]);
  process.kill(later.pid, 'SIGHUP');
  assert.equal(await later.line(), 'heard');
  process.kill(later.pid, 'SIGTERM');
  assert.equal(await later.line(), 'disposed');
  process.kill(later.pid, 'SIGHUP');
  assert.equal(await later.line(), 'heard');
  const states = [QUIT, IO, USR1].map((signal) => disposition(signal, later.pid));
  assert.deepEqual(states, ['default', 'default', 'caught']);
});

/** An addon that handles a signal by itself. */
function addon(signal: string): string {
  const source = fileURLToPath(new URL('../../test/tools/foreign-handler.c', import.meta.url));
  const file = join(folder, `${signal}.node`);
  execFileSync('cc', ['-shared', '-fPIC', `-DSIGNAL=${signal}`, '-o', file, source]);
  return `process.dlopen({ exports: {} }, ${JSON.stringify(file)});`;
}

test(
  'resetSignals: ignored, listened to, handled by an addon; the runtime keeps its own',
  needs('cc'),
  async () => {
    await using process_ = subject(`
    import { spawn } from 'node:child_process';
    const child = spawn('sleep', ['1000']);
    ${addon('SIGALRM')} ${addon('SIGSEGV')}
    daemonkit.ignoreSignals(['SIGHUP', 'SIGRTMIN+6']);
    for (const name of ['SIGQUIT', 'SIGPIPE', 'SIGWINCH', 'SIGTERM', 'SIGCHLD']) {
      process.on(name, () => {});
    }
    const flag = new SignalFlag(['SIGIO']);
    say(daemonkit.resetSignals({ handled: false }));
    process.once('SIGUSR2', () => {
      say(daemonkit.resetSignals());
      say(daemonkit.resetSignals());
      child.once('exit', (code, signal) => say('child', signal));
    });
    daemonkit.ignoreSignals(['SIGHUP', 'SIGCONT', 'SIGRTMIN+6']);
    say(daemonkit.resetSignals({ signals: 'SIGRTMIN+6' }), daemonkit.resetSignals({ signals: ['SIGHUP', 18] }));
    say(daemonkit.resetSignals({ signals: [] }), 'ignored');
    setInterval(() => {}, 1000);`);
    const ignored = () => members(signals(process_.pid).SigIgn);
    assert.equal(await process_.line(), 'SIGHUP,SIGRTMIN+6');
    assert.equal(await process_.line(), 'SIGRTMIN+6 SIGHUP,SIGCONT');
    assert.equal(await process_.line(), ' ignored');
    assert.deepEqual(ignored(), [XFSZ]);
    const caught = () => members(signals(process_.pid).SigCgt).filter((n) => n !== 33);
    const before = [INT, QUIT, USR1, SEGV, USR2, PIPE, ALRM, TERM, CHLD, WINCH, IO];
    assert.deepEqual(
      caught(),
      before.sort((a, b) => a - b),
    );
    process.kill(process_.pid, 'SIGUSR2');
    assert.equal(await process_.line(), 'SIGQUIT,SIGPIPE,SIGALRM,SIGTERM');
    assert.equal(await process_.line(), '');
    assert.deepEqual(ignored(), [PIPE, XFSZ]);
    assert.deepEqual(caught(), [INT, USR1, SEGV, CHLD, WINCH, IO]);
    const pid = execFileSync('pgrep', ['-P', `${process_.pid}`, 'sleep'], { encoding: 'utf8' });
    process.kill(Number(pid));
    assert.equal(await process_.line(), 'child SIGTERM');
    process.kill(process_.pid, 'SIGQUIT');
    assert.equal(await process_.end(), 'SIGQUIT');
  },
);

test('resetSignals: what whoever started Node had ignored', () => {
  // Node itself resets the signals up to 31 when it starts.
  const via = [
    'python3',
    '-c',
    `import os, signal, sys
for number in (1, ${RT}): signal.signal(number, signal.SIG_IGN)
os.execvp(sys.argv[1], sys.argv[1:])`,
  ];
  const ran = runScript('console.log(daemonkit.resetSignals().join())', { via });
  assert.deepEqual([ran.stdout, ran.stderr], ['SIGRTMIN+6\n', '']);
});

test('WebAssembly out of bounds is an exception after all of it', () => {
  // (module (memory 1) (func (export "f") (param i32) (result i32) (i32.load (local.get 0))))
  const bytes = '0061736d0100000001060160017f017f03020100050301000107050101660000';
  const code = '0a0901070020002802000b';
  const ran = runScript(`
    daemonkit.ignoreSignals(['SIGHUP']);
    daemonkit.resetSignals();
    daemonkit.signalMask('set', ['SIGTERM', 'SIGHUP', 'SIGRTMIN']);
    const module = new WebAssembly.Module(Buffer.from('${bytes}${code}', 'hex'));
    const { f } = new WebAssembly.Instance(module).exports;
    try { for (let i = 0; i < 1e5; i++) f(i === 99_999 ? 1 << 20 : 0); } catch (e) { console.log(e.message); }`);
  assert.deepEqual([ran.stdout, ran.signal], ['memory access out of bounds\n', null]);
});

test('signalMask: SigBlk of the main thread, and what was blocked before', async () => {
  await using masked = subject(`
    const { signalMask } = daemonkit;
    say(signalMask());
    say(signalMask('block', ['SIGHUP', 'SIGRTMIN+6']));
    process.on('SIGUSR2', next);
    say('block');
    function next() {
      if (next.step === undefined) {
        say(signalMask('unblock', ['SIGHUP', 'SIGKILL', 'SIGIO']));
        say(signalMask('block', []));
      } else if (next.step === 1) {
        say(signalMask('set', ['SIGUSR1', 'SIGTERM']));
        say(signalMask());
      } else say(signalMask('set', []));
      next.step = (next.step ?? 0) + 1;
      say('done');
    }
    setInterval(() => {}, 1000);`);
  const blocked = () => members(signals(masked.pid).SigBlk);
  const next = async () => {
    process.kill(masked.pid, 'SIGUSR2');
    const lines = [await masked.line()];
    while (lines.at(-1) !== 'done') lines.push(await masked.line());
    return lines.slice(0, -1);
  };
  assert.deepEqual([await masked.line(), await masked.line()], ['', '']);
  assert.equal(await masked.line(), 'block');
  assert.deepEqual(blocked(), [HUP, RT]);
  assert.deepEqual(await next(), ['SIGHUP,SIGRTMIN+6', 'SIGRTMIN+6']);
  assert.deepEqual(blocked(), [RT]);
  assert.deepEqual(await next(), ['SIGRTMIN+6', 'SIGUSR1,SIGTERM']);
  assert.deepEqual(blocked(), [USR1, TERM]);
  assert.deepEqual(await next(), ['SIGUSR1,SIGTERM']);
  assert.deepEqual(blocked(), []);
});

test('child and grandchild: dispositions and mask are inherited, then each has its own', async () => {
  await using family = subject(`
    const ignored = daemonkit.ignoreSignals(['SIGHUP', 'SIGQUIT']);
    daemonkit.signalMask('block', 'SIGIO');
    const generations = [process.pid];
    const children = [];
    for (let i = 0; i < 2; i++) {
      const pid = daemonkit.fork();
      if (pid !== 0) { children.push(pid); break; }
      generations.push(process.pid);
    }
    const generation = generations.length;
    ${guard}
    if (generation === 2) daemonkit.resetSignals();
    if (generation === 2) daemonkit.signalMask('unblock', 'SIGIO');
    if (generation === 3) ignored[Symbol.dispose](), daemonkit.ignoreSignals('SIGALRM');
    if (generation === 3) daemonkit.signalMask('set', ['SIGUSR1', 'SIGUSR2']);
    process.on('SIGTERM', () => {
      for (const pid of children) process.kill(pid, 'SIGTERM'), daemonkit.waitpid(pid);
      process.exit();
    });
    say(generation, process.pid);
    setInterval(() => {}, 1000);`);
  const lines = [await family.line(), await family.line(), await family.line()].sort();
  const pids = lines.map((line) => Number(line.split(' ')[1]));
  const facts = pids.map((pid) => {
    const { SigIgn, SigBlk } = signals(pid);
    return [members(SigIgn), members(SigBlk)];
  });
  process.kill(family.pid, 'SIGTERM');
  assert.equal(await family.end(), 0);
  assert.deepEqual(facts, [
    [[HUP, QUIT, PIPE, XFSZ], [IO]],
    [[PIPE, XFSZ], []],
    [
      [PIPE, ALRM, XFSZ],
      [USR1, USR2],
    ],
  ]);
});

test('a Worker may change none of it', () => {
  const ran = runScript(`
    import { Worker } from 'node:worker_threads';
    const source = \`import('${entry}').then((daemonkit) => {
      for (const f of ['resetSignals', 'signalMask', () => daemonkit.ignoreSignals('SIGHUP')]) {
        try { (daemonkit[f] ?? f)(); } catch (e) { console.log(e.code); }
      }
    })\`;
    new Worker(source, { eval: true });`);
  assert.deepEqual(
    ran.stdout.trim().split('\n'),
    Array(3).fill('ERR_WORKER_UNSUPPORTED_OPERATION'),
  );
});
