// The replacement of workers that are due, or hang, with a clock that the test turns.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settled, type World } from './tools/world.js';

const reasonOf = (world: World, pid: number) =>
  world.state.workers.find((one) => one.pid === pid)?.reason;

test('a worker that is due goes when its successor is ready, one seat at a time', () => {
  const world = settled();
  world.recycle(101, 'maxRequests');
  world.recycle(100, 'maxMemory');
  world.recycle(101, 'maxAge');
  world.pass(10_000);
  assert.deepEqual(world.pids, [100, 101, 102, 103]);
  assert.deepEqual(world.sent('ask'), []);
  world.ready(103);
  assert.deepEqual(world.sent('ask'), [101]);
  assert.equal(reasonOf(world, 101), 'maxRequests', 'the first one that was told');
  world.pass(5000);
  assert.equal(world.pids.length, 4, 'the next one not before the first is gone');
  world.dies(101);
  assert.deepEqual(world.pids, [100, 102, 103, 104]);
  world.ready(104);
  assert.deepEqual([world.sent('ask'), reasonOf(world, 100)], [[101, 100], 'maxMemory']);
  world.pass(10_500);
  assert.deepEqual(world.sent('kill'), [100]);
  world.dies(100);
  world.pass(100_000);
  assert.deepEqual([world.pids, world.state.failures], [[102, 103, 104], 0]);
});

test('a successor that fails leaves the old one, and is tried again with growing pauses', () => {
  const world = settled({ attempts: 1 });
  let refuse = true;
  world.forkFails = () => (refuse ? new Error('EAGAIN') : undefined);
  world.recycle(101);
  refuse = false;
  world.pass(100);
  const [trial = 0] = world.pids.slice(3);
  world.pass(30_000);
  assert.deepEqual([world.sent('kill'), reasonOf(world, trial)], [[trial], 'readyTimeout']);
  world.dies(trial);
  world.pass(199);
  assert.deepEqual(world.pids, [100, 101, 102]);
  world.pass(1);
  const [next = 0] = world.pids.slice(3);
  world.leaves(next);
  world.dies(next);
  world.pass(399);
  assert.deepEqual(world.staying, [100, 101, 102]);
  world.pass(1);
  world.ready(...world.pids);
  assert.deepEqual(world.sent('ask'), [101]);
  assert.deepEqual(
    [world.state.phase, world.state.failures, world.state.retries],
    ['running', 0, 0],
  );
});

test('the successor has the seat at once if the old one is gone before', () => {
  for (const go of ['dies', 'leaves', 'hangs'] as const) {
    const world = settled();
    world.recycle(101);
    world[go](101);
    world.pass(1000);
    assert.deepEqual(world.staying, [100, 102, 103], go);
    world.ready(103);
    world.dies(101);
    assert.deepEqual([world.pids, world.sent('ask')], [[100, 102, 103], []]);
  }
});

test('recycling waits for a reload, for empty seats and for failures to end', () => {
  const world = settled();
  world.recycle(101);
  world.reload();
  world.recycle(100);
  // The successor would not be a new one.
  assert.deepEqual(world.staying, [100, 101, 102, 104, 105, 106]);
  assert.equal(reasonOf(world, 103), 'reload');
  world.ready(103, 104, 105, 106);
  for (let i = 0; i < 4; i++) {
    world.dies(...world.pids.filter((pid) => !world.staying.includes(pid)));
  }
  assert.deepEqual([world.pids, world.told('reloaded')], [[104, 105, 106], ['well']]);
  world.pass(10_000);
  world.dies(104);
  world.dies(107);
  world.recycle(105);
  world.pass(100);
  assert.deepEqual(world.pids, [105, 106, 108]);
  world.ready(108);
  world.pass(999);
  assert.equal(world.pids.length, 3);
  world.pass(1);
  assert.deepEqual(world.pids, [105, 106, 108, 109]);
  world.stop();
  assert.deepEqual(world.staying, []);
  world.dies(...world.pids);
  assert.deepEqual(world.told('ended'), ['well']);
});

test('hung workers are killed and replaced, all at once and without a pause', () => {
  const world = settled({ attempts: 1 });
  for (let round = 0; round < 5; round++) {
    const before = world.pids;
    for (const pid of before) world.hangs(pid, 'SIGUSR2');
    for (const pid of before) world.hangs(pid, 'SIGUSR2');
    assert.equal(world.staying.length, 3);
    const killed = world.of('kill').map((one) => ('signal' in one ? one.signal : ''));
    assert.deepEqual(killed.slice(-3), ['SIGUSR2', 'SIGUSR2', 'SIGUSR2']);
    world.pass(499);
    assert.equal(world.of('kill').length, 3 + round * 6);
    world.pass(1);
    assert.equal(world.of('kill').length, 6 + round * 6, 'and for good');
    assert.equal(reasonOf(world, before[0] as number), 'hang');
    world.dies(...before);
    world.ready(...world.pids);
  }
  assert.deepEqual([world.state.phase, world.state.failures], ['running', 0]);
});

test('a core takes time; who hangs before it is ready has failed, who hangs as it drains is killed', () => {
  const world = settled();
  world.hangs(100, 'SIGABRT');
  world.pass(9999);
  assert.deepEqual(world.sent('kill'), [100]);
  world.pass(1);
  assert.deepEqual(world.sent('kill'), [100, 100]);
  world.dies(100);
  world.hangs(103);
  world.dies(103);
  assert.deepEqual([world.state.failures, world.pids], [1, [101, 102]]);
  world.leaves(101);
  world.hangs(101);
  assert.deepEqual(world.sent('kill').slice(-1), [101]);
  const lone = settled({ replace: false });
  lone.hangs(100);
  lone.pass(1000);
  lone.dies(100);
  assert.deepEqual(lone.pids, [101, 102]);
  lone.reload();
  lone.hangs(104);
  lone.ready(103, 104);
  lone.hangs(103);
  assert.equal(lone.state.reload?.stage, 'failing');
});
