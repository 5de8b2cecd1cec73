// runInFork(): values of other realms, and thrown values that are no errors.
import { test } from 'node:test';
import { holds } from './tools/compute.js';

test('a view of another realm keeps its class, as by structuredClone()', () => {
  holds(`
  const vm = await import('node:vm');
  const names = ['Int8', 'Uint8', 'Uint8Clamped', 'Int16', 'Uint16', 'Int32', 'Uint32', 'Float32', 'Float64', 'Float16']
    .map((name) => name + 'Array').filter((name) => name in globalThis);
  const sources = [...names.map((name) => 'new ' + name + '([1, 2, 3])'), 'new BigInt64Array([1n])',
    'new BigUint64Array([1n])', 'new DataView(new ArrayBuffer(9), 1, 3)', 'new Uint8Array(70000).fill(3)'];
  for (const source of sources) {
    const value = vm.runInNewContext(source);
    assert.deepEqual(await runInFork(() => value), structuredClone(value), source);
  }`);
});

test('a thrown value that cannot be copied is one error, which says what was thrown', () => {
  holds(`
  const proxy = new Proxy(new Error('inner'), {});
  for (const thrown of [Symbol('q'), function named() {}, { f() {} }, proxy]) {
    const error = await runInFork(() => { throw thrown; }).catch((error) => error);
    assert.ok(error instanceof Error && error.message !== '');
    assert.equal(error.cause, undefined);
    const outer = await runInFork(() => { throw new Error('outer', { cause: thrown }); }).catch((error) => error);
    assert.equal(outer.message, 'outer');
    assert.equal(outer.cause.message, error.message);
    assert.equal(outer.cause.cause, undefined);
  }`);
});

test('buffers that can be resized, and views of what is gone, are as by structuredClone()', () => {
  holds(`
  const grown = (size, most = 2 * size) => new ArrayBuffer(size, { maxByteLength: most });
  const shape = (value) => ArrayBuffer.isView(value)
    ? [value.constructor.name, value.byteOffset, value.byteLength, ...shape(value.buffer)]
    : [value.constructor.name, value.byteLength, value.resizable, value.maxByteLength];
  /** Also whether it follows its buffer's size. */
  const follows = (view) => { view.buffer.resize(view.buffer.byteLength + 8); return shape(view); };
  for (const size of [8, 64, 65536, 100_000]) {
    for (const make of [() => grown(size), () => grown(size, size), () => new Uint8Array(grown(size), 4, 4), () => new Float64Array(grown(size)),
      () => new DataView(grown(size), 2), () => new DataView(grown(size), 2, 3), () => new Uint8Array(grown(size)).fill(7)]) {
      const [ours, theirs] = [await runInFork(make), structuredClone(make())];
      assert.deepEqual(ours, theirs);
      assert.deepEqual(shape(ours), shape(theirs));
      if (ArrayBuffer.isView(ours)) assert.deepEqual(follows(ours), follows(theirs));
    }
    const both = await runInFork(() => { const buffer = grown(size); return [new Uint8Array(buffer), buffer, new DataView(buffer, 1)]; });
    assert.ok(both[0].buffer === both[1] && both[2].buffer === both[1]);
  }
  const detached = (view) => { structuredClone(view, { transfer: [view.buffer] }); return view; };
  const shrunk = (make) => { const view = make(grown(16)); view.buffer.resize(2); return view; };
  const gone = [() => detached(new Uint8Array(8)), () => detached(new DataView(new ArrayBuffer(8))), () => detached(new Uint8Array(8)).buffer,
    () => detached(Buffer.from(new ArrayBuffer(8))), () => shrunk((buffer) => new Uint8Array(buffer, 4, 4)), () => shrunk((buffer) => new DataView(buffer, 4, 4)),
    () => shrunk((buffer) => new Float64Array(buffer, 8)), () => new Uint8Array(0), () => new DataView(new ArrayBuffer(0)), () => [new Uint8Array(0), new ArrayBuffer(0)]];
  for (const make of gone) {
    const told = (value) => value instanceof Error || value instanceof DOMException ? value.name : value;
    const theirs = (() => { try { return structuredClone(make()); } catch (error) { return error; } })();
    assert.deepEqual(told(await runInFork(make).catch((error) => error)), told(theirs), String(make));
  }
  assert.ok(Buffer.isBuffer(await runInFork(() => Buffer.alloc(0))));
  `);
});

test('an error of another realm keeps class, code, cause and own properties', () => {
  holds(`
  const vm = await import('node:vm');
  const sources = { TypeError: 'new TypeError("m", { cause: new RangeError("c") })', Error: 'new Error("m")',
    AggregateError: 'new AggregateError([new SyntaxError("s")], "m")', Own: 'class Own extends TypeError { name = "Own" }; new Own("m")' };
  for (const [name, source] of Object.entries(sources)) {
    const make = () => Object.assign(vm.runInNewContext(source), { code: 'EX', more: { n: 1 } });
    const error = await failure(runInFork(() => { throw make(); }));
    assert.ok(error instanceof (name === 'Own' ? TypeError : globalThis[name]), name);
    assert.deepEqual([error.name, error.message, error.code, error.more], [name, 'm', 'EX', { n: 1 }]);
    if (name === 'TypeError') assert.ok(error.cause instanceof RangeError);
    if (name === 'AggregateError') assert.ok(error.errors[0] instanceof SyntaxError);
  }
  `);
});
