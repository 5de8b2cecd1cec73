// atFork(): pthread_atfork's contract around fork().
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { secondCopy } from './tools/copy.js';
import { succeeds } from './tools/run.js';
import { linesOf } from './tools/script.js';

const lines = async (scenario: string) =>
  (await succeeds('hooks.js', [scenario])).trim().split('\n').sort();

test('before hooks run last first, parent and child hooks in order', async () => {
  assert.deepEqual(await lines('order'), [
    'child: before b in parent, before a in parent, child a in child, child b in child',
    'parent: before b in parent, before a in parent, parent a in parent, parent b in parent',
  ]);
});

test('disposed hooks do not run; hooks work again after a refused fork', async () => {
  const only = (name: string) => [
    `child: before ${name} in parent, child ${name} in child`,
    `parent: before ${name} in parent, parent ${name} in parent`,
  ];
  assert.deepEqual(await lines('disposed'), only('b'));
  assert.deepEqual(await lines('refusedFork'), only('a'));
});

test('hooks run once in each fork, in the child’s forks too', async () => {
  assert.deepEqual(await lines('counts'), ['done']);
});

test('child hooks see the child’s own pid', async () => {
  assert.deepEqual(await lines('ready'), ['done']);
});

test('an error of a before hook stops the fork, after the parent hooks have run', async () => {
  assert.deepEqual(await lines('beforeThrows'), [
    'parent caught thrown by before: before b in parent, parent a in parent, ' +
      'parent b in parent, ECHILD',
  ]);
});

test('an error of a parent hook is thrown in the parent only, after all hooks', async () => {
  assert.deepEqual(await lines('parentThrows'), [
    'child caught nothing: before b in parent, before a in parent, child a in child, child b in child',
    'parent caught thrown by parent: before b in parent, before a in parent, ' +
      'parent a in parent, parent b in parent',
  ]);
});

test('an error of a child hook is thrown in the child only, after all hooks', async () => {
  assert.deepEqual(await lines('childThrows'), [
    'child caught thrown by child: before b in parent, before a in parent, child a in child, child b in child',
    'parent caught nothing: before b in parent, before a in parent, ' +
      'parent a in parent, parent b in parent',
  ]);
});

test('handlers of an addon in C run around each fork, with all threads; pthread_atfork’s do not', async () => {
  assert.deepEqual(await lines('inC'), ['done']);
});

test('those of another copy of the package run as well', (t) => {
  const addon = createRequire(import.meta.url).resolve(
    '../../test/native/build/Release/test_faults.node',
  );
  const said = linesOf<string>(
    `import { createRequire } from 'node:module';
    const addon = createRequire(import.meta.url)(${JSON.stringify(addon)});
    const other = await import(process.argv[1]);
    addon.attach(daemonkit.forkInterface());
    for (const { fork, waitpid } of [daemonkit, other]) {
      const pid = fork();
      fs.writeSync(1, JSON.stringify(addon.told()) + '\\n');
      if (pid === 0) daemonkit._exit(0);
      waitpid(pid);
    }`,
    { args: [secondCopy(t)] },
  );
  const [child, parent] = ['child1 child2', 'parent1 parent2'].map(
    (end) => `prepare2 prepare1 ${end}`,
  );
  assert.deepEqual(said.sort(), [child, child, parent, parent]);
});
