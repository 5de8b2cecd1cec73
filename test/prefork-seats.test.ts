// The number of workers, and reloads that roll over them, with a clock that the test turns.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as event from '../lib/prefork/state/state.js';
import { settled, World } from './tools/world.js';

const reasons = (world: World, ...pids: number[]) =>
  pids.map((pid) => world.state.workers.find((one) => one.pid === pid)?.reason);

test('scale: the highest seats go, all at once, and it is told when they are gone', () => {
  const world = settled();
  world.scale(1);
  assert.deepEqual([world.sent('ask'), world.staying], [[101, 102], [100]]);
  assert.deepEqual(reasons(world, 101, 102), ['scale', 'scale']);
  world.dies(101);
  world.pass(10_500);
  assert.deepEqual([world.sent('kill'), world.told('scaled')], [[102], []]);
  world.dies(102);
  assert.deepEqual([world.told('scaled'), world.pids], [['well'], [100]]);
  world.scale(3);
  assert.deepEqual(
    world.state.workers.map(({ seat }) => seat),
    [1, 2, 3],
  );
  world.ready(103);
  assert.equal(world.told('scaled').length, 1);
  world.ready(104);
  assert.equal(world.told('scaled').length, 2);
  world.scale(3);
  assert.equal(world.told('scaled').length, 3, 'there are as many');
  world.pass(10_000);
  world.reload();
  world.ready(105, 106, 107);
  world.dies(100, 103, 104);
  assert.deepEqual([world.pids, world.told('reloaded')], [[105, 106, 107], ['well']]);
});

test('scale: up while the ones too many drain; a successor that fails is tried again', () => {
  const world = settled();
  world.scale(2);
  world.scale(4);
  assert.deepEqual(world.staying, [100, 101, 103, 104]);
  world.ready(103);
  world.dies(104);
  world.pass(100);
  world.ready(105);
  assert.deepEqual(
    world.told('scaled'),
    ['well'],
    'the seat is filled, who drains there is no obstacle',
  );
  assert.equal(world.state.failures, 1);
});

test('scale before all were ready, with respawn: false, at a stop', () => {
  const early = new World();
  early.scale(2);
  early.ready(100, 101);
  assert.deepEqual([early.told('started'), early.told('scaled')], [['well'], []]);
  early.dies(102);
  assert.deepEqual([early.told('scaled'), early.state.failures], [['well'], 0]);

  const lone = settled({ replace: false });
  lone.dies(101);
  lone.scale(4);
  assert.deepEqual(lone.pids, [100, 102, 103, 104]);
  lone.ready(103);
  lone.dies(104);
  assert.deepEqual(lone.told('scaled'), ['ERR_SCALE_FAILED']);
  lone.scale(2);
  lone.dies(102);
  assert.deepEqual([lone.told('scaled').at(-1), lone.pids], ['well', [100, 103]]);
  lone.dies(100, 103);
  assert.deepEqual(lone.told('ended'), ['well']);

  const ending = settled();
  ending.scale(5);
  ending.stop();
  ending.scale(9);
  ending.dies(...ending.pids);
  assert.deepEqual(
    [ending.told('scaled'), ending.told('ended')],
    [['ERR_INVALID_STATE'], ['well']],
  );
});

test('scale during a reload: the new workers are as many as are wanted now', () => {
  const up = settled();
  up.reload();
  up.scale(4);
  up.ready(...up.pids);
  assert.deepEqual(up.told('scaled'), ['well']);
  up.dies(100);
  up.dies(101);
  up.dies(102);
  assert.deepEqual([up.told('reloaded'), up.pids.length], [['well'], 4]);

  const down = settled();
  down.reload();
  down.ready(104);
  down.scale(1);
  assert.deepEqual(down.sent('ask').toSorted(), [101, 102, 104, 105]);
  down.dies(105, 101);
  assert.equal(down.state.reload?.stage, 'starting', 'that is no failure of the reload');
  down.ready(103);
  down.dies(104, 102);
  assert.deepEqual(down.sent('ask').at(-1), 100);
  down.dies(100);
  assert.deepEqual(
    [down.told('reloaded'), down.told('scaled'), down.pids],
    [['well'], ['well'], [103]],
  );

  const failing = settled();
  failing.reload();
  failing.scale(5);
  failing.dies(103);
  failing.dies(104, 105, 106, 107);
  assert.deepEqual(failing.told('reloaded'), ['ERR_RELOAD_FAILED']);
  assert.deepEqual(failing.staying.length, 5, 'the old number of new seats is filled after it');
});

test('surge: each new one has its seat when it is ready, and never more than so many beside', () => {
  const world = settled();
  world.reload(1);
  const order: number[] = [];
  for (const old of [100, 101, 102]) {
    assert.equal(world.pids.length, 4);
    const fresh = world.staying.at(-1) as number;
    assert.deepEqual(world.sent('ask').length, order.length);
    world.ready(fresh);
    order.push(old);
    assert.deepEqual(world.sent('ask'), order);
    world.pass(3000);
    assert.equal(world.pids.length, 4, 'the old one still ends');
    world.dies(old);
  }
  assert.deepEqual([world.pids, world.told('reloaded')], [[103, 104, 105], ['well']]);
  assert.ok(world.state.workers.every(({ generation }) => generation === 1));

  const two = settled();
  two.reload(2);
  assert.deepEqual(two.pids, [100, 101, 102, 103, 104]);
  two.ready(104);
  assert.deepEqual(two.sent('ask'), [101]);
  two.dies(101);
  assert.deepEqual(two.staying, [100, 102, 103, 104, 105]);
  two.ready(103, 105);
  assert.deepEqual(two.sent('ask'), [101, 100, 102]);
  assert.deepEqual(two.told('reloaded'), []);
  two.dies(100, 102);
  assert.deepEqual(two.told('reloaded'), ['well']);
});

test('surge: a new one that fails ends the reload; those that were replaced stay so', () => {
  const losses: [(world: World) => void, RegExp][] = [
    [(world) => world.dies(104), /worker 2 has ended before it was ready; 1 of 3 workers/],
    [
      (world) => world.leaves(104) ?? world.dies(104),
      /worker 2 has left before it was ready; 1 of 3/,
    ],
    [
      (world) => world.pass(30_000) ?? world.dies(104),
      /worker 2 has ended before it was ready; 1 of 3 workers were replaced/,
    ],
    [(world) => world.dies(103) ?? world.dies(104), /worker 1 has ended soon after it was ready/],
  ];
  for (const [lose, message] of losses) {
    const world = settled();
    world.reload(1);
    world.ready(103);
    world.dies(100);
    lose(world);
    const told = world.done
      .flatMap((one) => (one.do === 'tell' && one.error ? one.error : []))
      .at(-1);
    assert.match(`${told?.message}`, message);
    assert.deepEqual(world.told('reloaded'), ['ERR_RELOAD_FAILED']);
    world.pass(10_000);
    assert.deepEqual(world.staying.toSorted().slice(0, 2), [101, 102]);
    assert.equal(world.staying.length, 3);
    assert.deepEqual(
      world.sent('ask').filter((pid) => pid === 101 || pid === 102),
      [],
    );
  }
  const world = settled();
  world.reload(2);
  world.apply((state) => event.reloadAbandoned(state, Object.assign(new Error(), { code: 'X' })));
  assert.deepEqual(world.sent('ask'), [103, 104]);
  world.dies(103, 104);
  assert.deepEqual([world.told('reloaded'), world.pids], [['X'], [100, 101, 102]]);
});

test('surge: empty seats are filled at once, also those that stay empty without respawn', () => {
  const world = settled();
  world.reload(1);
  world.dies(101);
  assert.deepEqual(world.pids, [100, 102, 103, 104]);
  world.scale(4);
  assert.deepEqual(world.pids, [100, 102, 103, 104, 105]);
  world.ready(103, 104, 105);
  world.dies(100);
  world.ready(106);
  world.dies(102);
  assert.deepEqual([world.told('reloaded'), world.told('scaled')], [['well'], ['well']]);

  const lone = settled({ replace: false });
  lone.dies(100, 101);
  lone.reload(1);
  lone.ready(103, 104);
  lone.ready(105);
  lone.dies(102);
  assert.deepEqual(
    [lone.pids, lone.state.closed, lone.told('reloaded')],
    [[103, 104, 105], [], ['well']],
  );
});

test('surge: a stop in the middle, a worker that hangs, scaling down', () => {
  const world = settled();
  world.reload(1);
  world.ready(103);
  world.hangs(101);
  world.scale(2);
  assert.deepEqual(world.staying, [103, 104]);
  world.ready(104);
  world.dies(100, 101, 102);
  assert.deepEqual([world.told('reloaded'), world.told('scaled')], [['well'], ['well']]);
  world.reload(1);
  world.stop();
  world.dies(...world.pids);
  assert.deepEqual(world.told('reloaded'), ['well', 'ERR_INVALID_STATE']);
  assert.deepEqual(world.told('ended'), ['well']);
});
