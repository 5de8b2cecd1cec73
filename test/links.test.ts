// Links of the documents: on npm's page README.md has no folder around it, in the repository the others have.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { root } from './tools/package.js';

const { homepage } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const PAGES = `${homepage.replace(/#.*/, '')}/blob/main/`;

/** What npm shows, or an installed package has, without the repository. */
const ALONE = ['README.md', 'SECURITY.md', 'CHANGELOG.md'];

const documents = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

const text = (name: string) => readFileSync(join(root, name), 'utf8');

/** A document without its code, in which brackets are no links. */
const prose = (name: string) => text(name).replace(/```.*?```|`[^`\n]*`/gs, '');

/** As GitHub makes anchors of headings. */
function anchors(name: string): string[] {
  const headings = [...text(name).matchAll(/^#+ +(.*)$/gm)].map(([, heading = '']) => heading);
  return headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** What is wrong with a link, in words; undefined if it leads somewhere. */
function fault(document: string, link: string): string | undefined {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? document : relative(root, join(root, dirname(document), path));
  if (!existsSync(join(root, target))) return `${document}: ${link} leads nowhere`;
  if (anchor === undefined || anchors(target).includes(anchor)) return undefined;
  return `${document}: ${link}: there is no such heading`;
}

/** The links of a document; those to the repository as paths from the document. */
function links(document: string): { faults: string[]; count: number } {
  const all = [...prose(document).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
  const faults = all.flatMap((link) => {
    if (link.startsWith(PAGES)) {
      return fault(document, relative(dirname(document), link.slice(PAGES.length))) ?? [];
    }
    if (/^\w+:/.test(link)) return [];
    if (ALONE.includes(document) && !link.startsWith('#')) {
      return `${document}: ${link} is relative: npm's page has no folder`;
    }
    return fault(document, link) ?? [];
  });
  return { faults, count: all.length };
}

test('every link of the documents leads to a file and a heading', () => {
  const found = documents.map(links);
  assert.deepEqual(
    found.flatMap(({ faults }) => faults),
    [],
  );
  const count = found.reduce((sum, one) => sum + one.count, 0);
  assert.ok(count > 100, `${count} links were found`);
});

test('docs/index.md leads to every page', () => {
  const index = text('docs/index.md');
  const pages = documents.filter((name) => name.startsWith('docs/') && name !== 'docs/index.md');
  const missing = pages.filter((name) => !index.includes(`](${name.slice('docs/'.length)}`));
  assert.deepEqual(missing, []);
});
