// runInFork(): values of other realms, and thrown values that are no errors.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runScript } from './tools/script.js';

/** The module asserts for itself, and says nothing. */
function holds(source: string): void {
  const prelude = `
  import assert from 'node:assert/strict';
  import vm from 'node:vm';
  const { runInFork } = daemonkit;
  `;
  const { status, signal, stderr, stdout } = runScript(prelude + source, { timeout: 60_000 });
  assert.deepEqual([status, signal, stderr, stdout], [0, null, '', '']);
}

test('a view of another realm keeps its class, as by structuredClone()', () => {
  holds(`
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
