// DaemonError: the error that becomeDaemon() throws when a step fails, and planDaemon() returns.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { becomeDaemon, DaemonError, planDaemon } from 'daemonkit';
import { secondCopy } from './tools/copy.js';
import { linesOf } from './tools/script.js';

const missing = { code: 'ENOENT', syscall: 'stat', path: '/nowhere', step: 'chdir' };

function caught(call: () => unknown): DaemonError {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof DaemonError, `${error}`);
    return error;
  }
  assert.fail('nothing was thrown');
}

test('a step that fails: step, code, errno, syscall, path', () => {
  for (const detach of [true, false]) {
    const error = caught(() => becomeDaemon({ detach, cwd: '/nowhere' }));
    const { message, name, stack = '' } = error;
    assert.deepEqual({ ...error }, { ...missing, errno: -2 });
    assert.equal(
      message,
      "becomeDaemon: step chdir: ENOENT: no such file or directory, stat '/nowhere'",
    );
    assert.deepEqual([name, error instanceof Error, error.cause], ['Error', true, undefined]);
    assert.match(inspect(error), /^DaemonError: becomeDaemon: step chdir: ENOENT/);
    // Where it comes from, in the words of the message.
    assert.ok(stack.includes(message));
    assert.match(stack, /\n +at expectDirectory .*\/dist\/lib\//);
  }
});

test('a plan has the same error, without the name of a call', () => {
  const { precondition } =
    planDaemon({ cwd: '/nowhere' }).find(({ step }) => step === 'chdir') ?? {};
  assert.ok(precondition instanceof DaemonError);
  assert.deepEqual({ ...precondition }, { ...missing, errno: -2 });
  assert.equal(precondition.message, "ENOENT: no such file or directory, stat '/nowhere'");
  const former = becomeDaemon({ dryRun: true, cwd: '/nowhere' } as never) as unknown;
  assert.equal(JSON.stringify(former), JSON.stringify(planDaemon({ cwd: '/nowhere' })));
});

test('wrong options are none, nor is what has only its name', () => {
  for (const call of [becomeDaemon, planDaemon]) {
    assert.throws(
      () => call({ cwd: '' }),
      (error) => error instanceof TypeError && !(error instanceof DaemonError),
    );
  }
  class DaemonErrorOfMine extends DaemonError {}
  const error = caught(() => becomeDaemon({ cwd: '/nowhere' }));
  const others = [new Error('x'), Object.assign(new Error('x'), { name: 'DaemonError' }), null, 1];
  assert.deepEqual(
    others.map((other: unknown) => other instanceof DaemonError),
    [false, false, false, false],
  );
  assert.equal((error as unknown) instanceof DaemonErrorOfMine, false);
});

test("somebody else's error is the cause; the privileged hook's is thrown as it is", () => {
  const said = linesOf<unknown>(`
    const { atFork, becomeDaemon, DaemonError } = daemonkit;
    const say = (...words) => console.log(JSON.stringify(words));
    const mine = new (class Mine extends Error {})('mine');
    const hook = atFork({ before() { throw mine; } });
    try { becomeDaemon({ detach: true }); } catch (error) {
      say(error instanceof DaemonError, error.cause === mine, error.step, error.code, error.message);
    }
    hook[Symbol.dispose]();
    try { becomeDaemon({ detach: false, privileged() { throw mine; } }); } catch (error) {
      say(error instanceof DaemonError, error === mine, error.step, error.message);
    }`);
  assert.deepEqual(said, [
    [true, true, 'fork', 'ERR_STEP_FAILED', 'becomeDaemon: step fork: mine'],
    [false, true, 'privileged', 'mine'],
  ]);
});

test('an error of another copy of the package is one too', async (t) => {
  const other: typeof import('daemonkit') = await import(secondCopy(t));
  const error = caught(() => other.becomeDaemon({ cwd: '/nowhere' }));
  assert.notEqual(other.DaemonError, DaemonError);
  assert.equal(error.constructor, other.DaemonError);
  const own = caught(() => becomeDaemon({ cwd: '/nowhere' }));
  assert.ok(own instanceof other.DaemonError);
});
