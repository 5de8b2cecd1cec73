// docs/peers.md names tests: each must exist, or the table has claims without a test.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { peersTable } from '../tools/peer.js';

const source = (name: string) => new URL(`../../../test/${name}`, import.meta.url);

/** Where a test's title may stand: in its file, or in the fixture that plays its cases. */
function texts(file: string): string {
  const places = [`${file}.test.ts`, `fixtures/${file}.ts`].map(source);
  return places
    .filter((place) => existsSync(place))
    .map((place) => readFileSync(place, 'utf8'))
    .join('\n');
}

test('every test that docs/peers.md names exists', () => {
  const named = [...peersTable().matchAll(/`([\w/-]+) › ([^`]+)`/g)];
  assert.ok(named.length > 100, `${named.length} names`);
  for (const [, file = '', title = ''] of named) {
    // An ellipsis stands for what a loop puts into the title.
    for (const part of title.split('…')) {
      assert.ok(texts(file).includes(part.trim()), `${file}: ${title}`);
    }
  }
});

test('every case has a verdict', () => {
  const rows = peersTable()
    .split('\n')
    .filter((line) => /^\| /.test(line));
  const cases = rows.map((row) => row.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')));
  for (const [name = '', verdict = '', why = ''] of cases) {
    if (name === 'case') continue;
    assert.match(verdict, /^(passes|differs|not applicable)$/, name);
    assert.ok(why.length > 3, name);
    if (verdict === 'passes') assert.match(why, /`[\w/-]+ › /, name);
  }
});
