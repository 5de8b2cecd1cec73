// The pages of docs/ as typedoc wants them, in dist/pages: titles and groups in front, links out of docs/ to the
// repository. Groups are the sections of docs/index.md; the landing page is README.md.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const into = join(root, 'dist/pages');
const { homepage } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const REPOSITORY = `${homepage.replace(/#.*/, '')}/blob/main/`;

const read = (name) => readFileSync(join(root, name), 'utf8');

/** Each page once, in the order of the index: `[section, file]`. */
const pages = new Map();
for (const section of read('docs/index.md').split(/^## /m).slice(1)) {
  const [title] = section.split('\n');
  for (const [, file] of section.matchAll(/\]\(([\w.-]+\.md)[#)]/g)) {
    if (!pages.has(file)) pages.set(file, title);
  }
}

/** Where a link of a page leads on the site: to another page, or to the repository. */
function target(from, link) {
  if (/^(?!https:)\w+:|^#/.test(link)) return link;
  const path = link.startsWith(REPOSITORY)
    ? link.slice(REPOSITORY.length)
    : posix.join(posix.dirname(from), link);
  if (link.startsWith('https:') && !link.startsWith(REPOSITORY)) return link;
  const [file, anchor] = path.split('#');
  const hash = anchor === undefined ? '' : `#${anchor}`;
  if (file === 'docs/index.md') return `index.md${hash}`;
  if (posix.dirname(file) === 'docs' && pages.has(posix.basename(file))) {
    return `${posix.basename(file)}${hash}`;
  }
  return file.endsWith('.svg') ? posix.basename(file) : `${REPOSITORY}${file}${hash}`;
}

/** Links and images outside of code. */
function linked(name, text) {
  const parts = text.split(/(^```.*?^```$|`[^`\n]*`)/gms);
  return parts
    .map((part, at) =>
      at % 2 === 1
        ? part
        : part.replaceAll(/\]\(([^)\s]+)\)/g, (_, link) => `](${target(name, link)})`),
    )
    .join('');
}

rmSync(into, { recursive: true, force: true });
mkdirSync(into, { recursive: true });
// The site has its name above the landing page.
const readme = read('README.md').replace(/^# .*\n/, '');
writeFileSync(join(into, 'README.md'), linked('README.md', readme));
for (const [file, section] of [['index.md', 'Overview'], ...pages]) {
  const name = `docs/${file}`;
  const [, title] = /^# (.*)$/m.exec(read(name));
  const text = linked(name, read(name).replaceAll(/^<!-- .*? -->\n/gms, ''));
  writeFileSync(
    join(into, file),
    `---\ntitle: ${JSON.stringify(title)}\ngroup: ${section}\n---\n${text}`,
  );
}
for (const name of readdirSync(join(root, 'docs')).filter((one) => one.endsWith('.svg'))) {
  cpSync(join(root, 'docs', name), join(into, name));
}
console.log(`api: ${pages.size + 1} pages, in ${dirname(into)}`);
