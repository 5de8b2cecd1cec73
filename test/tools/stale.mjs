// Part of npm run build:ts: removes the output of deleted sources (tsc does not). Otherwise a test
// that was removed, or belongs to another branch, would still run. Also removes declarations that
// index.d.ts does not reach, because the package has no others.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const made = /^(.*?)(?:\.d)?\.([cm]?)[jt]s(?:\.map)?$/;

/** The declarations that lead on from index.d.ts, by imports and by import(). */
const reached = new Set();
function reach(path) {
  if (reached.has(path)) return;
  reached.add(path);
  const text = readFileSync(path, 'utf8');
  for (const [, module] of text.matchAll(/(?:from|import) ?\(?["'](\.{1,2}\/[^"']+)\.js["']/g)) {
    reach(join(dirname(path), `${module}.d.ts`));
  }
}
reach(join(root, 'dist/lib/index.d.ts'));

const isOver = (path) => /\.(?:map|d\.[cm]?ts)$/.test(path) && !reached.has(path);

for (const folder of ['lib', 'test', 'examples', 'bench']) {
  const dist = join(root, 'dist', folder);
  if (!existsSync(dist)) continue;
  for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
    const [, stem, kind] = made.exec(name) ?? [];
    // Those of bundle.mjs, which removes them itself.
    if (stem === undefined || name.startsWith('chunks/')) continue;
    const stale = !existsSync(join(root, folder, `${stem}.${kind}ts`));
    if (!stale && !isOver(join(dist, name))) continue;
    rmSync(join(dist, name), { recursive: true });
    if (stale) console.log(`removed: dist/${folder}/${name}`);
  }
}
