// The reference pages have one form, and the signatures that are declared.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as daemonkit from '../lib/index.js';
import { root } from './tools/package.js';
import { pages, withSignatures } from './tools/signatures.js';

/** The sections of a page, in this order; those with a question mark may be missing. */
const SECTIONS = [
  ...['Signatures', 'Description', 'Options?', 'Errors', 'Measured?', 'Notes?', 'See also'],
];

const inOrder = new RegExp(
  `^${SECTIONS.map((name) => (name.endsWith('?') ? `(?:${name.slice(0, -1)},)?` : `${name},`)).join('')}$`,
);

test('each page is named as its file, says what it is about, and has its sections in one order', () => {
  for (const { name, text } of pages) {
    assert.match(text, new RegExp(`^# ${name.replace('.md', '')}\n\n[^\n#]+`), name);
    const code = text.replaceAll(/^```.*?^```$/gms, '');
    const sections = [...code.matchAll(/^## (.*)$/gm)].map(([, title]) => `${title},`);
    assert.match(sections.join(''), inOrder, name);
  }
});

test('the signatures are those of the declarations: node dist/test/tools/signatures.js', () => {
  for (const { name, text } of pages) assert.equal(text, withSignatures(text), name);
});

test('every exported function and class is on a page, and in the index', () => {
  const all = pages.map(({ text }) => text).join('\n');
  const index = readFileSync(join(root, 'docs/index.md'), 'utf8');
  const names = Object.keys(daemonkit);
  assert.ok(names.length > 50);
  for (const name of names) {
    assert.match(all, new RegExp(`^(?:class )?${name}\\b`, 'm'), name);
  }
  for (const page of pages) assert.ok(index.includes(`](${page.name})`), page.name);
});
