// The master's decisions, with a clock that the test turns.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { next } from '../lib/prefork/state/next.js';
import * as event from '../lib/prefork/state/state.js';
import { settled, World } from './tools/world.js';

test('all seats are filled at once, and started is told when all are ready', () => {
  const world = new World();
  assert.deepEqual(world.forkTimes, [0, 0, 0]);
  world.ready(100, 101);
  assert.deepEqual(world.told('started'), []);
  world.ready(102, 102);
  world.pass(100_000);
  assert.deepEqual(world.told('started'), ['well']);
  assert.deepEqual(world.pids, [100, 101, 102]);
  assert.equal(world.done.length, 4);
});

test('a proven worker that dies is replaced at once, one that is not after a pause', () => {
  const world = settled();
  world.dies(101);
  assert.deepEqual(world.forkTimes, [60_000]);
  world.pass(10);
  world.ready(103);
  world.pass(999);
  world.dies(103);
  world.pass(99);
  assert.equal(world.forkTimes.length, 1);
  world.pass(1);
  assert.deepEqual(world.forkTimes, [60_000, 60_010 + 999 + 100]);
});

test('pauses double up to the longest, one attempt at a time; each failure counts once', () => {
  const world = settled();
  world.dies(100);
  for (let failures = 0; failures < 8; failures++) {
    const trial = world.pids.at(-1) as number;
    world.pass(5);
    world.dies(trial);
    world.pass(60_000 - 5);
    assert.equal(world.pids.length, 3);
  }
  const times = world.forkTimes;
  const pauses = times.slice(1).map((at, i) => at - (60_000 + i * 60_000 + 5));
  assert.deepEqual(pauses, [100, 200, 400, 800, 1600, 1600, 1600, 1600]);
});

test('while they fail seats are filled one after the other, until one has proven itself', () => {
  const world = new World();
  world.pass(1);
  // A failure each: the next fork comes 400 ms after the third.
  world.dies(100, 101, 102);
  world.pass(399);
  assert.equal(world.pids.length, 0);
  world.pass(1);
  assert.deepEqual(world.pids, [103]);
  world.ready(103);
  world.pass(999);
  assert.deepEqual(world.pids, [103]);
  world.pass(1);
  assert.deepEqual(world.pids, [103, 104, 105]);
  world.ready(104, 105);
  world.pass(1000);
  // Proven: the next failure is a first one again.
  world.dies(105);
  world.pass(0);
  assert.deepEqual(world.pids, [103, 104, 106]);
});

test('a worker that was ready before the last failure proves its end as well; one that dies does not', () => {
  const world = new World({ seats: 2 });
  world.ready(100);
  world.pass(500);
  world.dies(101);
  world.pass(100);
  world.dies(102);
  // Two failures; at 1000 the first seat's worker has lived long enough.
  world.pass(400);
  assert.equal(world.state.failures, 0);
  world.dies(103);
  world.pass(100);
  assert.deepEqual(world.pids, [100, 104]);
});

test('attempts: so many failures in a row, and the master stops with an error', () => {
  const world = new World({ attempts: 4 });
  world.dies(100, 101, 102);
  world.pass(400);
  world.dies(103);
  assert.deepEqual(world.told('started'), ['ERR_WORKERS_FAILED']);
  assert.deepEqual(world.told('ended'), ['ERR_WORKERS_FAILED']);
  world.pass(100_000);
  assert.equal(world.forkTimes.length, 4);
});

test('a fork that fails counts as a worker that does, also where none is replaced', () => {
  for (const replace of [true, false]) {
    const world = settled({ replace: true });
    const rulesNow = { ...world.state.rules, replace };
    world.state = { ...world.state, rules: rulesNow };
    let left = 3;
    world.forkFails = () => (left-- > 0 ? new Error('EAGAIN') : undefined);
    if (replace) world.dies(100);
    else world.state = { ...world.state, workers: world.state.workers.slice(1) };
    world.turn();
    world.pass(20_000);
    assert.deepEqual(
      world.done.map(({ at }) => at - 60_000),
      [0, 100, 300, 700],
    );
    assert.equal(world.pids.length, 3);
  }
});

test('one that leaves by itself is no failure: replaced while it still drains, at most ten a second', () => {
  const world = new World({ seats: 1, delay: 60_000, maxDelay: 60_000, attempts: 1 });
  for (let i = 0; i < 20; i++) {
    const pid = world.staying[0] as number;
    if (i % 2) world.ready(pid);
    world.leaves(pid);
    assert.deepEqual(world.staying, []);
    world.pass(100);
    assert.equal(world.staying.length, 1);
    world.dies(pid);
  }
  assert.equal(world.state.phase, 'running');
  world.ready(...world.staying);
  world.pass(5000);
  const before = world.forkTimes.length;
  world.leaves(world.staying[0] as number);
  assert.equal(world.forkTimes.length, before + 1, 'a proven one has its successor at once');
  assert.equal(world.pids.length, 2);
});

test('deadlines: not ready in time, not gone in time; times beyond 2^31', () => {
  const world = new World();
  world.ready(100);
  world.pass(29_999);
  assert.deepEqual(world.sent('kill'), []);
  world.pass(1);
  assert.deepEqual(world.sent('kill'), [101, 102]);
  world.pass(100_000);
  assert.deepEqual(world.sent('kill'), [101, 102], 'once');

  // The master was stopped: the messages of 101 are waiting to be read.
  const still = new World();
  still.ready(100);
  still.now += 100_000;
  still.apply(event.stoodStill);
  still.ready(101);
  still.pass(29_999);
  assert.deepEqual(still.sent('kill'), []);
  still.pass(1);
  assert.deepEqual(still.sent('kill'), [102]);

  const slow = settled({ stopTimeout: Number.MAX_SAFE_INTEGER });
  slow.stop();
  slow.pass(2 ** 40);
  assert.deepEqual(slow.sent('kill'), []);

  const deaf = settled();
  deaf.leaves(100);
  deaf.pass(1000);
  deaf.stop();
  assert.deepEqual(deaf.sent('ask'), [101, 102, 103]);
  deaf.pass(9499);
  assert.deepEqual(deaf.sent('kill'), []);
  deaf.pass(1);
  assert.deepEqual(deaf.sent('kill'), [100]);
  deaf.pass(1000);
  assert.deepEqual(deaf.sent('kill'), [100, 101, 102, 103]);
  deaf.dies(...deaf.pids);
  assert.deepEqual(deaf.told('ended'), ['well']);
});

test('without respawn: an early death rejects ready, the others go on, the last one is the end', () => {
  const world = new World({ replace: false });
  world.ready(100);
  world.dies(101);
  assert.deepEqual(world.told('started'), ['ERR_WORKERS_FAILED']);
  world.ready(102);
  world.pass(60_000);
  world.dies(100);
  assert.deepEqual(world.pids, [102]);
  world.leaves(102);
  assert.deepEqual(world.told('ended'), []);
  world.dies(102);
  assert.deepEqual([world.told('started').length, world.told('ended')], [1, ['well']]);
  assert.equal(world.of('forked').length, 3);

  const whole = settled({ replace: false });
  whole.dies(100);
  whole.reload();
  assert.equal(whole.of('forked').length, 3, 'a reload fills all seats again');
});

/** Whatever happens to it, what a master owes: each promise once, no idle seat, no forgotten worker. */
test('no sequence of events leaves a seat empty, a promise open or a worker unasked', () => {
  const step = fc.record({ what: fc.nat(13), which: fc.nat(7), time: fc.nat(3000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, replace) => {
      const world = new World({ replace, readyTimeout: 2000, stopTimeout: 500 });
      let reloads = 0;
      let scalings = 0;
      let before = 0;
      for (const { what, which, time } of steps) {
        const pid = world.pids[which % Math.max(world.pids.length, 1)] ?? 0;
        world.forkFails = () => (what === 0 ? new Error('EAGAIN') : undefined);
        if (what <= 2) world.dies(pid);
        if (what === 3 || what === 4) world.ready(pid);
        if (what === 5) world.leaves(pid);
        const may = world.state.phase === 'running' && world.state.reload === undefined;
        if (what === 6 && may) {
          reloads++;
          world.apply((state, now) => event.reloadAsked(state, now, [1, 2, Infinity][which % 3]));
        }
        if (what === 7) world.apply((state, now) => event.hookSettled(state, now));
        if (what === 8 || what === 9) world.pass(time);
        if (what === 10) world.recycle(pid);
        if (what === 11) world.hangs(pid, which % 2 ? 'SIGABRT' : 'SIGKILL');
        if (what === 12 && world.state.phase === 'running') {
          // Waits for another number are rejected, because the number was changed.
          if (!world.state.scaling) scalings++;
          world.scale(1 + (which % 5));
        }
        if (what === 13) world.apply((state) => event.reloadAbandoned(state, new Error('abort')));
        const again = next(world.state, world.now);
        assert.deepEqual(again.state, world.state, 'nothing more is to be done');
        assert.deepEqual(
          again.actions.filter((action) => action.do !== 'fork'),
          [],
        );
        const { workers, seats } = world.state;
        const staying = workers.filter(({ leaving }) => !leaving);
        assert.ok(staying.every(({ seat }) => seat <= seats));
        for (let seat = 1; seat <= seats; seat++) {
          const there = staying.filter((one) => one.seat === seat);
          assert.ok(there.length <= 2, 'one, and one that takes its place');
        }
        if (again.state.reload?.stage === 'rolling') {
          const beside = workers.filter(({ fresh, replaced }) => fresh || replaced);
          assert.ok(beside.length <= Math.max(again.state.reload.surge, before), 'too many');
        }
        before = workers.filter(({ fresh, replaced }) => fresh || replaced).length;
      }
      world.forkFails = () => undefined;
      // From here on all is well.
      for (let turns = 0; turns < 60; turns++) {
        world.ready(...world.staying);
        world.dies(...world.pids.filter((pid) => !world.staying.includes(pid)));
        world.pass(2000);
      }
      const { phase, workers, reload } = world.state;
      assert.equal(reload, undefined);
      assert.equal(world.told('reloaded').length, reloads);
      assert.equal(world.told('scaled').length, scalings);
      assert.ok(!world.state.scaling && workers.every(({ due }) => due === undefined));
      if (phase === 'running') {
        const seats = workers.map(({ seat }) => seat);
        const all = Array.from({ length: world.state.seats }, (_, i) => i + 1);
        const expected = all.filter((seat) => !world.state.closed.includes(seat));
        assert.deepEqual(seats.toSorted(), expected);
      }
      world.stop();
      world.dies(...world.pids);
      assert.equal(world.told('started').length, 1);
      assert.deepEqual(world.told('ended'), ['well']);
    }),
    { numRuns: 200 },
  );
});
