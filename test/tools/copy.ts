// A second copy of the package, as the command's beside the application's, or two versions in one tree.
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { root } from './package.js';
import { scratch } from './scratch.js';

/** Its entry, as a URL to import; its modules and its addon are not those of the first. */
export function secondCopy(t: TestContext): string {
  const folder = scratch(t);
  cpSync(join(root, 'dist', 'lib'), join(folder, 'dist', 'lib'), { recursive: true });
  mkdirSync(join(folder, 'build', 'Release'), { recursive: true });
  const binary = join('build', 'Release', 'daemonkit.node');
  cpSync(join(root, binary), join(folder, binary));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  return pathToFileURL(join(folder, 'dist', 'lib', 'index.js')).href;
}
