// The cases of a peer's test suite, rewritten for daemonkit: docs/peers.md has all of them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Played } from './cases.js';
import { type RunOptions, run } from './run.js';

/** The table's text. */
export function peersTable(): string {
  return readFileSync(new URL('../../../docs/peers.md', import.meta.url), 'utf8');
}

/** Runs test/fixtures/peers/NAME once; each of its cases becomes a test, and must be in the table. */
export async function peer(
  name: string,
  { skip = false, ...options }: RunOptions & { skip?: string | false } = {},
): Promise<void> {
  if (skip) {
    test(name, { skip }, () => {});
    return;
  }
  const { stdout, ...rest } = await run(`peers/${name}.js`, [], { timeout: 120_000, ...options });
  const table = peersTable();
  for (const line of stdout.split('\n').filter(Boolean)) {
    const { name: title, problem } = JSON.parse(line) as Played;
    test(title, () => {
      assert.equal(problem, undefined);
      assert.ok(table.includes(`peers/${name} › ${title}`), 'it is not in docs/peers.md');
    });
  }
  test(`${name}: all cases were played, nothing is left`, () => {
    assert.deepEqual(rest, { code: 0, signal: null, stderr: '', timedOut: false, survivors: [] });
  });
}
