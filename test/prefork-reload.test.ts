// The master's decisions at a reload, with a clock that the test turns.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { next } from '../lib/prefork/state/next.js';
import * as event from '../lib/prefork/state/state.js';
import { settled, World } from './tools/world.js';

test('reload: all new ones, then the old ones one after the other', () => {
  const world = settled();
  world.reload();
  assert.deepEqual(world.pids.slice(3), [103, 104, 105]);
  world.ready(103, 104);
  assert.deepEqual(world.sent('ask'), []);
  world.ready(105);
  assert.deepEqual(world.sent('ask'), [100]);
  world.dies(100);
  assert.deepEqual(world.sent('ask'), [100, 101]);
  world.pass(10_500);
  assert.deepEqual(world.sent('kill'), [101]);
  world.dies(101);
  assert.deepEqual(world.told('reloaded'), []);
  // By itself, before its turn came.
  world.dies(102);
  assert.deepEqual(world.told('reloaded'), ['well']);
  assert.deepEqual(world.pids, [103, 104, 105]);
  assert.ok(world.state.workers.every(({ generation }) => generation === 1));
  assert.equal(world.of('forked').length, 3);
});

test('a reload whose worker ends, leaves, or cannot be forked leaves the old ones', () => {
  const losses: ((world: World) => void)[] = [
    (world) => world.dies(104),
    (world) => world.leaves(104),
    (world) => {
      world.ready(104);
      world.dies(104);
    },
    (world) => world.pass(30_000) ?? world.dies(103),
  ];
  for (const lose of losses) {
    const world = settled();
    world.reload();
    lose(world);
    assert.deepEqual(world.told('reloaded'), []);
    world.dies(...world.pids.filter((pid) => pid > 102));
    assert.deepEqual(world.told('reloaded'), ['ERR_RELOAD_FAILED']);
    assert.deepEqual(world.staying, [100, 101, 102]);
    assert.equal(world.state.failures, 0);
    assert.equal(world.of('forked').length, 3);
  }
  const world = settled();
  let forks = 0;
  world.forkFails = () =>
    ++forks === 2 ? Object.assign(new Error(), { code: 'EAGAIN' }) : undefined;
  world.reload();
  assert.deepEqual(world.sent('ask'), [103]);
  world.dies(103);
  assert.deepEqual(world.told('reloaded'), ['EAGAIN']);
  assert.deepEqual(world.staying, [100, 101, 102]);
});

test('seats are filled while onMasterReload hangs, which is over after readyTimeout', () => {
  const world = settled();
  world.apply(event.reloadAsked);
  world.dies(100, 101, 102);
  assert.deepEqual(world.pids, [103, 104, 105]);
  world.ready(...world.pids);
  world.pass(29_999);
  assert.deepEqual(world.told('reloaded'), []);
  world.pass(1);
  assert.deepEqual(world.told('reloaded'), ['ETIMEDOUT']);
  // It settles at last, when no reload is running any more.
  world.apply((state, now) => event.hookSettled(state, now));
  assert.deepEqual(world.pids, [103, 104, 105]);
  world.reload();
  assert.equal(world.pids.length, 6);
});

test('a reload ends the pause', () => {
  const world = new World({ delay: 60_000, maxDelay: 60_000 });
  world.dies(100, 101, 102);
  world.pass(10);
  assert.deepEqual(world.pids, []);
  world.reload();
  assert.deepEqual(world.pids, [103, 104, 105]);
  world.ready(103, 104, 105);
  assert.deepEqual(world.told('started'), ['well']);
  assert.deepEqual(world.told('reloaded'), ['well']);
});

test('a stop ends a reload, wherever it is, and a pause', () => {
  const stages: [(world: World) => void, string][] = [
    [(world) => world.apply(event.reloadAsked), 'ERR_INVALID_STATE'],
    [(world) => world.reload(), 'ERR_INVALID_STATE'],
    [(world) => world.reload() ?? world.dies(103), 'ERR_INVALID_STATE'],
    [(world) => world.reload() ?? world.ready(103, 104, 105), 'well'],
  ];
  for (const [go, told] of stages) {
    const world = settled();
    go(world);
    world.stop();
    assert.deepEqual(world.staying, []);
    world.dies(...world.pids);
    assert.deepEqual([world.told('reloaded'), world.told('ended')], [[told], ['well']]);
    const { wakeAt, actions } = next(world.state, world.now);
    assert.deepEqual([wakeAt, actions], [Number.POSITIVE_INFINITY, []]);
  }
  const pausing = new World();
  pausing.dies(100, 101, 102);
  pausing.stop();
  assert.deepEqual(pausing.told('started'), ['ERR_INVALID_STATE']);
  assert.deepEqual(pausing.told('ended'), ['well']);
});
