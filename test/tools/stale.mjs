// Part of npm run build:ts: removes what tsc has made of sources that are no more (tsc does not). A test
// that was removed, or belongs to another branch, would run on.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const made = /^(.*?)(?:\.d)?\.([cm]?)[jt]s(?:\.map)?$/;

for (const folder of ['lib', 'test', 'examples', 'bench']) {
  const dist = join(root, 'dist', folder);
  if (!existsSync(dist)) continue;
  for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
    const [, stem, kind] = made.exec(name) ?? [];
    if (stem === undefined || existsSync(join(root, folder, `${stem}.${kind}ts`))) continue;
    rmSync(join(dist, name), { recursive: true });
    console.log(`removed: dist/${folder}/${name}`);
  }
}
