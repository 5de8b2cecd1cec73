// mapInForks(): order, how far it goes ahead, and how it ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runScript } from './tools/script.js';

const prelude = `
import assert from 'node:assert/strict';
const { mapInForks } = daemonkit;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const descriptors = () => fs.readdirSync('/proc/self/fd').length;
const children = () => fs.readFileSync('/proc/self/task/' + process.pid + '/children', 'utf8').trim();
const failure = (promise) => promise.then(() => assert.fail('it was resolved'), (error) => error);
const all = async (iterable, into = []) => { for await (const one of iterable) into.push(one); return into; };
/** Counts what is taken of it, and whether it was closed. */
const source = (items) => {
  const input = { taken: 0, closed: 0, [Symbol.iterator]() {
    return { next: () => input.taken < items.length ? { done: false, value: items[input.taken++] } : { done: true, value: undefined },
      return: () => { input.closed++; return { done: true, value: undefined }; } };
  } };
  return input;
};
const numbers = (n) => Array.from({ length: n }, (_, i) => i);
assert.deepEqual(await all(mapInForks([1], (n) => n)), [1]);
const before = descriptors();
process.on('beforeExit', () => {
  assert.equal(descriptors(), before, 'a descriptor is left');
  assert.equal(children(), '', 'a child is left');
});
`;

function holds(body: string): void {
  const { status, signal, stderr, stdout } = runScript(prelude + body, { timeout: 60_000 });
  assert.deepEqual([status, signal, stderr, stdout], [0, null, '', '']);
}

test('results come in order, of every kind of iterable and function', () => {
  holds(`
  const slowFirst = (n, i) => { for (let end = Date.now() + (n === 0 ? 50 : 0); Date.now() < end; ); return [n, i, process.pid]; };
  for (const chunk of [1, 2, 7, 100]) {
    for (const input of [numbers(7), new Set(numbers(7)), (function* () { yield* numbers(7); })(), (async function* () { for (const n of numbers(7)) { await pause(1); yield n; } })()]) {
      const results = await all(mapInForks(input, slowFirst, { chunk }));
      assert.deepEqual(results.map(([n, i]) => [n, i]), numbers(7).map((n) => [n, n]));
      assert.equal(new Set(results.map(([, , pid]) => pid)).size, Math.ceil(7 / chunk));
      assert.ok(!results.some(([, , pid]) => pid === process.pid));
    }
  }
  assert.deepEqual(await all(mapInForks([1, Promise.resolve(2)], async (n) => { await pause(5); return n * 10; }, { chunk: 2 })), [10, 20]);
  // What cannot be copied goes in; some of a chunk may take time.
  assert.deepEqual(await all(mapInForks([() => 1, () => pause(2).then(() => 2), () => 3], (fn) => fn(), { chunk: 3 })), [1, 2, 3]);
  assert.deepEqual(await all(mapInForks([], () => 1)), []);
  assert.deepEqual(await all(mapInForks('ab', (c) => c + c)), ['aa', 'bb']);
  const together = mapInForks(numbers(5), (n) => n, { concurrency: 2 });
  const five = await Promise.all(numbers(6).map(() => together.next()));
  assert.deepEqual(five.map(({ value }) => value), [0, 1, 2, 3, 4, undefined]);
  assert.ok(five[5].done);
  `);
});

test('it goes ahead by as many children as are allowed, and no further', () => {
  holds(`
  const input = source(numbers(100));
  const results = mapInForks(input, (n) => n, { concurrency: 2, chunk: 3 });
  await pause(10);
  assert.equal(input.taken, 0);
  assert.equal((await results.next()).value, 0);
  await pause(100);
  assert.ok(input.taken <= 9, 'taken: ' + input.taken);
  assert.deepEqual(await results.return('done'), { done: true, value: 'done' });
  assert.equal(input.closed, 1);
  assert.deepEqual(await results.next(), { done: true, value: undefined });
  const slow = mapInForks(numbers(6), () => { for (let end = Date.now() + 30; Date.now() < end; ); }, { concurrency: 3 });
  let most = 0;
  const watch = setInterval(() => { most = Math.max(most, children().split(' ').filter(Boolean).length); }, 1);
  await all(slow);
  clearInterval(watch);
  assert.ok(most >= 1 && most <= 3, 'at most ' + most);
  `);
});

test('the first error ends the rest; so do an abort and the end of the iteration', () => {
  holds(`
  const forever = (n) => { if (n === 1) throw new RangeError('one'); for (;;); };
  const input = source(numbers(100));
  const some = [];
  const error = await failure(all(mapInForks(input, forever, { concurrency: 2 }), some));
  assert.deepEqual([error.name, error.message, input.closed, some], ['RangeError', 'one', 1, []]);
  assert.ok(input.taken <= 3);
  assert.equal(children(), '');
  // Results before the error are delivered.
  const partly = [];
  const two = (n) => { if (n === 2) throw new Error('two'); return n; };
  assert.equal((await failure(all(mapInForks(numbers(9), two, { chunk: 4 }), partly))).message, 'two');
  assert.deepEqual(partly, [0, 1]);
  assert.equal((await failure(all(mapInForks([1, () => 2], (one) => one)))).name, 'DataCloneError');
  assert.equal((await failure(all(mapInForks([1], () => process.exit(9))))).exitCode, 9);
  assert.equal((await failure(all(mapInForks([1], () => { for (;;); }, { timeout: 20 })))).code, 'ETIMEDOUT');

  const broken = (function* () { yield 1; throw new Error('the input'); })();
  assert.equal((await failure(all(mapInForks(broken, (n) => n)))).message, 'the input');

  for (const endless of [source(numbers(100)), (async function* () { yield 0; await new Promise(() => {}); })()]) {
    const controller = new AbortController();
    const run = failure(all(mapInForks(endless, () => { for (;;); }, { signal: controller.signal, concurrency: 3 })));
    while (children() === '') await pause(1);
    controller.abort('why');
    const { name, code, cause } = await run;
    assert.deepEqual([name, code, cause, children()], ['AbortError', 'ABORT_ERR', 'why', '']);
  }
  const aborted = source(numbers(3));
  assert.equal((await failure(all(mapInForks(aborted, (n) => n, { signal: AbortSignal.abort() })))).name, 'AbortError');
  assert.equal(aborted.taken, 0);

  const left = source(numbers(100));
  for await (const n of mapInForks(left, (n) => { while (n > 0); return n; }, { concurrency: 3 })) break;
  assert.deepEqual([left.closed, children()], [1, '']);
  const thrower = mapInForks(source(numbers(9)), (n) => n);
  await thrower.next();
  assert.equal(await failure(thrower.throw('thrown')), 'thrown');
  const hanging = mapInForks(numbers(2), () => { for (;;); });
  const next = hanging.next();
  while (children() === '') await pause(1);
  await hanging.return();
  assert.deepEqual([await next, children()], [{ done: true, value: undefined }, '']);
  `);
});

test('a result does not wait for the next items of a slow iterable', () => {
  holds(`
  let give;
  const input = (async function* () { for (let n = 0; n < 3; n++) { yield n; await new Promise((resolve) => { give = resolve; }); } })();
  const results = mapInForks(input, (n) => n * 2, { concurrency: 4 });
  for (const n of [0, 1, 2]) {
    assert.deepEqual(await results.next(), { done: false, value: 2 * n });
    while (give === undefined) await pause(1);
    give();
    give = undefined;
  }
  assert.equal((await results.next()).done, true);
  `);
});

test('an error of the iterable at its end, and of a step that is none, are told', () => {
  holds(`
  const closes = {
    sync: function* () { try { yield 1; yield 2; yield 3; yield 4; } finally { throw new Error('at the end'); } },
    async: async function* () { try { yield 1; yield 2; yield 3; yield 4; } finally { throw new Error('at the end'); } },
  };
  for (const [name, make] of Object.entries(closes)) {
    for (const concurrency of [1, 2]) for (const wait of [0, 5]) {
      const loop = async () => { for await (const one of mapInForks(make(), (n) => n, { concurrency })) { if (wait > 0) await pause(wait); break; } };
      assert.equal((await failure(loop())).message, 'at the end', [name, concurrency, wait].join());
    }
  }
  for (const next of [5, undefined, null, 'x']) {
    const input = { [Symbol.iterator]: () => ({ next: () => next, return: () => assert.fail('closed') }) };
    const error = await failure(all(mapInForks(input, (n) => n)));
    assert.deepEqual([error.name, error.message], ['TypeError', 'Iterator result ' + next + ' is not an object']);
  }
  `);
});

test('wrong arguments are told at the call', () => {
  holds(`
  const code = (...args) => { try { mapInForks(...args); } catch (error) { return error.code; } };
  const [type, value, range] = ['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE', 'ERR_OUT_OF_RANGE'];
  for (const input of [undefined, null, 1, {}, () => 1]) assert.equal(code(input, () => 1), type);
  for (const fn of [undefined, null, 1, {}]) assert.equal(code([1], fn), type);
  for (const [options, what] of [[null, type], [{ x: 1 }, value], [{ concurrency: 0 }, range], [{ concurrency: 5000 }, range],
    [{ concurrency: '1' }, type], [{ chunk: 0 }, range], [{ chunk: 1.5 }, range], [{ chunk: null }, type], [{ timeout: 0 }, range]]) {
    assert.equal(code([1], () => 1, options), what, JSON.stringify(options));
  }
  `);
});
