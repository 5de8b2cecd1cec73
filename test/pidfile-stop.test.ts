// pidfileStop(): the right process or none, one signal after the other, and what came of it.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { openDescriptors, Pidfile, type PidfileStopped, pidfileStop } from 'daemonkit';
import { lives, until } from './tools/daemons.js';
import { hasEnded } from './tools/proc.js';
import { scratch } from './tools/scratch.js';
import { subject } from './tools/subject.js';

/** A process that holds the file, with these lines of its own. */
async function holder(path: string, source = '') {
  const started = subject(`
    const pidfile = daemonkit.Pidfile.open(${JSON.stringify(path)});
    pidfile.write();
    ${source}
    setInterval(() => {}, 1000);
    say('held');`);
  assert.equal(await started.line(), 'held');
  return started;
}

const without = ({ milliseconds, ...rest }: PidfileStopped) => {
  assert.ok(milliseconds >= 0);
  return rest;
};

const pathIn = (t: TestContext) => join(scratch(t), 'a.pid');

test('by SIGTERM; the file that it leaves is removed; then there is nobody', async (t) => {
  const path = pathIn(t);
  const before = openDescriptors().length;
  await using held = await holder(path);
  const { pid } = held;
  const signal = 'SIGTERM';
  assert.deepEqual(without(await pidfileStop(path)), { path, state: 'ended', pid, signal });
  assert.equal(await held.end(), 'SIGTERM');
  assert.equal(existsSync(path), false);
  const none = { path, state: 'none', pid: undefined, signal: undefined };
  assert.deepEqual(without(await pidfileStop(path)), none);
  writeFileSync(path, `${process.pid}\n`);
  assert.deepEqual(without(await pidfileStop(path)), none, 'a stale file means nobody');
  assert.equal(existsSync(path), false);
  assert.equal(openDescriptors().length <= before, true);
});

test('one that does not want to: the schedule to its end, or the next signal', async (t) => {
  const path = pathIn(t);
  await using held = await holder(path, "process.on('SIGTERM', () => say('no'));");
  const { pid } = held;
  const gentle = [
    { signal: 'SIGTERM', wait: 20 },
    { signal: 15, wait: 20 },
  ] as const;
  const goesOn = { path, state: 'running', pid, signal: 'SIGTERM' };
  assert.deepEqual(without(await pidfileStop(path, { schedule: gentle })), goesOn);
  assert.equal(existsSync(path), true);
  const hard = [...gentle, { signal: 'SIGKILL', wait: 60_000 }] as const;
  const killed = { path, state: 'ended', pid, signal: 'SIGKILL' };
  assert.deepEqual(without(await pidfileStop(path, { schedule: hard })), killed);
  assert.equal(await held.end(), 'SIGKILL');
});

test('an AbortSignal ends the wait: for the end, for the file to be written', async (t) => {
  const path = pathIn(t);
  const reason = new Error('mine');
  const aborted = { name: 'AbortError', code: 'ABORT_ERR', cause: reason };
  await using held = await holder(path, "process.on('SIGTERM', () => say('heard'));");
  const before = openDescriptors().length;
  const schedule = [
    { signal: 'SIGTERM', wait: 60_000 },
    { signal: 'SIGKILL', wait: 60_000 },
  ] as const;
  await assert.rejects(pidfileStop(path, { signal: AbortSignal.abort(reason) }), aborted);
  const controller = new AbortController();
  const stops = pidfileStop(path, { schedule, signal: controller.signal });
  assert.equal(await held.line(), 'heard', 'once, and not before');
  controller.abort(reason);
  await assert.rejects(stops, aborted);
  assert.equal(openDescriptors().length, before);
  assert.equal(existsSync(path), true);
  await lives(held.pid);

  const starting = join(scratch(t), 'b.pid');
  using locked = Pidfile.open(starting);
  const late = new AbortController();
  const waits = pidfileStop(starting, { signal: late.signal });
  late.abort(reason);
  await assert.rejects(waits, aborted);
  // No process holds it any more, so there is nothing to stop.
  const nobody = pidfileStop(starting);
  locked.remove();
  assert.equal((await nobody).state, 'none');
  process.kill(held.pid, 'SIGKILL');
});

test('nobody is signalled by mistake', async (t) => {
  const path = pathIn(t);
  await using other = await holder(join(scratch(t), 'other.pid'));
  using pidfile = Pidfile.open(path);
  pidfile.write(other.pid);
  await assert.rejects(pidfileStop(path), { code: 'ESTALE', syscall: 'flock', path });
  await lives(other.pid);
  const lost = join(path, '..', 'none', 'a.pid');
  await assert.rejects(pidfileStop(lost), { code: 'ENOENT', syscall: 'open', path: lost });
  process.kill(other.pid, 'SIGKILL');
});

test('a file that was removed, with its directory, under the process', async (t) => {
  const directory = join(scratch(t), 'run');
  const path = join(directory, 'a.pid');
  mkdirSync(directory);
  await using held = await holder(path);
  rmSync(directory, { recursive: true });
  const { state, pid } = await pidfileStop(path);
  assert.deepEqual([state, pid], ['ended', held.pid]);
  await until('it has ended', () => hasEnded(held.pid));
});

test('arguments are checked first', async () => {
  const type = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
  const value = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' };
  const range = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
  const step = { signal: 'SIGTERM', wait: 1 };
  const wrong: [unknown, object][] = [
    [null, type],
    [{ retry: [] }, value],
    [{ signal: 'SIGTERM' }, type],
    [{ schedule: {} }, type],
    [{ schedule: [] }, value],
    [{ schedule: new Array(1) }, type],
    [{ schedule: ['SIGTERM'] }, type],
    [{ schedule: [{ signal: 'SIGTERM' }] }, type],
    [{ schedule: [{ wait: 1 }] }, type],
    [{ schedule: [{ ...step, wait: -1 }] }, range],
    [{ schedule: [step, { ...step, wait: 2 ** 31 }] }, range],
    [{ schedule: [{ ...step, signal: 'SIGNOPE' }] }, value],
    [{ schedule: [{ ...step, signal: 0 }] }, range],
    [{ schedule: [{ ...step, wati: 1 }] }, value],
  ];
  for (const [options, error] of wrong) {
    await assert.rejects(pidfileStop('/run/none.pid', options as never), error);
  }
  await assert.rejects(pidfileStop(''), value);
});
