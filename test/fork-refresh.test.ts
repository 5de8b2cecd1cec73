// The child is refreshed: it does not keep state of the parent that it must not keep, the program
// does not see the refresh, and if the refresh is impossible the fork is refused before there is a
// child.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cleanEnvironment } from './tools/environment.js';
import { run, succeeds } from './tools/run.js';
import { scratch } from './tools/scratch.js';
import { linesOf } from './tools/script.js';

// Node 26 would have the hooks of a loader registered in another way.
const quiet = ['--disable-warning=ExperimentalWarning', '--disable-warning=DEP0205'];

const done = async (scenario: string, execArgv: string[] = []) =>
  assert.equal(
    await succeeds('refresh.js', [scenario], { execArgv: [...quiet, ...execArgv] }),
    'done\n',
  );

test('no async resource, property, listener or global shows the refresh', () => done('unseen'));

/** The JSON lines that the processes of fixtures/refresh-entropy.ts wrote to stderr and stdout. */
async function drawn(scenario: string): Promise<unknown[][]> {
  const { code, stdout, stderr } = await run('refresh-entropy.js', [scenario]);
  assert.equal(code, 0, stderr);
  return `${stderr}${stdout}`
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('copies of randomUUID, randomInt, Math.random give each process its own values', async () => {
  const all = (await drawn('copies')).map((values) => values.flat());
  assert.equal(all.length, 4);
  const values = all.flat();
  assert.equal(new Set(values).size, values.length);
});

test('integers that a pool thread draws at the moment of the fork differ too', async () => {
  const [one, other, ...rest] = await drawn('underWay');
  assert.deepEqual(rest, []);
  assert.equal(one?.length, 40);
  assert.equal(new Set([...(one as []), ...(other as [])]).size, 80);
});

test('new contexts of parent and child have different Math.random', () => {
  const source = `const { runInNewContext } = await import('node:vm');
    const value = () => console.log(JSON.stringify([process.pid, runInNewContext('Math.random()')]));
    const { fork, waitpid, _exit } = daemonkit;
    for (let i = 0; i < 4; i++) {
      const pid = fork();
      if (pid === 0) { value(); _exit(0); }
      waitpid(pid);
    }
    value();`;
  const values = linesOf(source) as [pid: number, value: number][];
  const parents = values.pop()?.[1];
  assert.equal(values.length, 4);
  for (const [, value] of values) assert.notEqual(value, parents);
  // Two children have the same seed in one of 256 cases.
  assert.ok(new Set(values.map(([, value]) => value)).size > 1);
});

test('where V8’s heap is not as expected: caches drawn empty, Math.random replaced', async () => {
  assert.equal(await succeeds('refresh-entropy.js', ['secondBest']), 'done\n');
});

for (const scenario of [
  'frozen',
  'timers',
  'handles',
  'deleted',
  'pollution',
  'setters',
  'arrays',
  'weakRefs',
  'iterators',
  'writable',
  'extensions',
  'calls',
]) {
  test(`globals: ${scenario}: two processes, or one and an error`, async () => {
    const { code, stderr, survivors } = await run('refresh.js', ['patched', scenario]);
    const said = stderr.trim().split('\n').sort();
    assert.deepEqual([code, survivors], [0, []], stderr);
    // Where fork() itself cannot be called any more it is the parent that learns it.
    if (said.length > 1) assert.deepEqual(said, ['child 0 false', 'parent true 0']);
    else assert.match(said[0] ?? '', /^parent false ./);
    const fails = ['arrays', 'pollution', 'iterators', 'calls'].includes(scenario);
    if (!fails) assert.equal(said.length, 2, stderr);
  });
}

test('--frozen-intrinsics', () => done('loaderHooks', ['--frozen-intrinsics']));

for (const how of ['frozen', 'sealed', 'fixed', 'setter']) {
  test(`process, its pid or a setter is ${how}: ENOTSUP, in the words of forkSupport(), and no child`, async () => {
    const { code, stderr } = await run('refresh.js', ['refused', how]);
    assert.equal(code, 0, stderr);
    const [live, reasons, error, message, children] = JSON.parse(stderr);
    assert.deepEqual([live, error, children], [false, 'ENOTSUP', 'ECHILD']);
    assert.match(
      reasons.join(),
      /process\.pid cannot be changed|process\.setgid cannot be replaced/,
    );
    assert.ok(message.includes(reasons[0]), message);
  });
}

test('near the end of the stack: a RangeError in the parent, or a whole child', async () => {
  assert.equal(await succeeds('refresh.js', ['deep']), '4 true\n');
});

test('an event loop histogram that was collected', () => done('histogram'));

test('the Worker of module.register() does not stand in the way, and imports go on', () =>
  done('loaderHooks'));

test('an error of a child hook has the pid 0', async () => {
  assert.equal(await succeeds('refresh.js', ['hookThrows']), '7\n');
});

const late = `
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
`;

test('Workers from before the import are seen, ended ones are not', () => {
  const module = JSON.stringify(new URL('../lib/index.js', import.meta.url).href);
  const source = `${late}
    class Own extends Worker {}
    const workers = [Worker, Own].map((W) => new W('setInterval(() => {}, 100)', { eval: true }));
    await Promise.all(workers.map((worker) => once(worker, 'online')));
    workers[0].unref();
    const { fork, forkSupport, waitpid, _exit } = await import(${module});
    const say = (value) => console.log(JSON.stringify(value));
    say(forkSupport().reasons.length);
    try { fork(); } catch ({ code }) { say(code); }
    const carried = fork({ workers: true });
    if (carried === 0) _exit(0);
    say(waitpid(carried).exitCode);
    for (const worker of workers) await worker.terminate();
    const pid = fork();
    if (pid === 0) _exit(0);
    say(waitpid(pid).exitCode);`;
  assert.deepEqual(linesOf(source, { bare: true }), [1, 'ENOTSUP', 0, 0]);
});

test('profiles and logs of one name are limits that forkSupport() tells; no reasons', () => {
  const ask = (options: string[], inEnvironment = '', before = '') => {
    const directory = mkdtempSync(join(tmpdir(), 'daemonkit-'));
    try {
      writeFileSync(join(directory, 'node.config.json'), '{"nodeOptions":{"heap-prof":true}}');
      const [support] = linesOf<{ live: boolean; limits: string[] }>(
        `${before}; console.log(JSON.stringify(daemonkit.forkSupport()))`,
        { cwd: directory, env: cleanEnvironment({ NODE_OPTIONS: inEnvironment }), node: options },
      );
      assert.equal(support?.live, true);
      return support?.limits;
    } finally {
      rmSync(directory, { recursive: true });
    }
  };
  assert.deepEqual(ask(['--no-warnings']), []);
  assert.match(String(ask(['--cpu-prof'])), /one CPU profile/);
  assert.match(String(ask(['--heap_prof'])), /one heap profile/);
  assert.match(String(ask([], '--trace-event-categories=v8')), /one trace file/);
  assert.match(String(ask(['--prof'])), /same V8 log/);
  assert.match(String(ask([], '"--heap-prof"')), /one heap profile/);
  const forgets = "delete process.env.NODE_OPTIONS; process.chdir('/')";
  assert.match(String(ask([], '--heap-prof', forgets)), /one heap profile/);
  const traces = "process.getBuiltinModule('trace_events').createTracing({ categories: ['v8'] })";
  assert.match(String(ask([], '', `${traces}.enable()`)), /one trace file/);
  if (Number.parseInt(process.versions.node, 10) >= 24) {
    const file = '--experimental-config-file=node.config.json';
    const quiet = '--no-warnings';
    assert.match(String(ask([quiet, file], '', forgets)), /one heap profile/);
    assert.match(String(ask([quiet, '--experimental-default-config-file'])), /one heap profile/);
  }
});

test('coverage has a file for each process', () => {
  const directory = mkdtempSync(join(tmpdir(), 'daemonkit-'));
  try {
    const source = `const { fork, waitpid } = daemonkit;
      const pid = fork();
      if (pid !== 0) console.log(JSON.stringify([process.pid, waitpid(pid).pid]));`;
    const [pids] = linesOf<number[]>(source, {
      env: cleanEnvironment({ NODE_V8_COVERAGE: directory }),
    });
    const files = readdirSync(directory).map((name) => Number(name.split('-')[1]));
    assert.deepEqual(files.sort(), pids?.sort());
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('what fails as the parent goes through the refresh, a getter here, does not end it', () => {
  const source = `const { fork, waitpid } = daemonkit;
    // Asked for obstacles, by the parent's rehearsal, and by the child.
    let asked = 0;
    Object.defineProperty(process, 'channel', {
      configurable: true,
      get() { if (++asked === 2) throw new Error('the second time'); },
    });
    const pid = fork();
    if (pid === 0) process.exit(3);
    console.log(JSON.stringify([waitpid(pid).exitCode, asked >= 2]));`;
  assert.deepEqual(linesOf(source), [[3, true]]);
});

test('V8 compiles the refresh once, in the parent, and not in each child', (t) => {
  const log = join(scratch(t), 'functions');
  const source = `const { fork, waitpid, _exit } = daemonkit;
    for (let i = 0; i < 3; i++) {
      const pid = fork();
      if (pid === 0) _exit(0);
      console.log(JSON.stringify(waitpid(pid).exitCode));
    }`;
  const node = ['--log-function-events', `--logfile=${log}`, '--no-logfile-per-isolate'];
  assert.deepEqual(linesOf(source, { node }), [0, 0, 0]);
  // Parent and children write to the same log.
  const names = readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('function,parse-function,'))
    // Where two modules have a function of one name, the bundle numbers them: closeChannel$1.
    .map((line) =>
      line
        .split(',')
        .at(-1)
        ?.replace(/\$\d+$/, ''),
    );
  const parsed = (name: string) => names.filter((one) => one === name).length;
  const refresh = ['refreshChild', 'refreshPid', 'refreshEntropy', 'closeChannel', 'guardSetters'];
  assert.deepEqual(refresh.map(parsed), [1, 1, 1, 1, 1]);
  // A function that only children call, to see that it would show.
  assert.equal(parsed('_exit'), 3);
});
