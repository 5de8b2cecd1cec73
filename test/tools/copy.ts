// A second copy of the package, as the command's beside the application's, or two versions in one tree.
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { pathToFileURL } from 'node:url';
import { root } from './package.js';
import { scratch } from './scratch.js';

/**
 * Its entry, as a URL to import. Its modules are not those of the first; nor is its addon, as it is of
 * another version, unless `same` is given.
 */
export function secondCopy(t: TestContext, same?: 'same version'): string {
  const folder = scratch(t);
  cpSync(join(root, 'dist', 'lib'), join(folder, 'dist', 'lib'), { recursive: true });
  mkdirSync(join(folder, 'build', 'Release'), { recursive: true });
  const binary = join('build', 'Release', 'daemonkit.node');
  cpSync(join(root, binary), join(folder, binary));
  // By PREBUILDS_ONLY=1, as in the roots of npm run test:libc, the one above is not looked at.
  const prebuilt = join('prebuilds', `${process.platform}-${process.arch}`);
  if (process.env.PREBUILDS_ONLY && existsSync(join(root, prebuilt))) {
    cpSync(join(root, prebuilt), join(folder, prebuilt), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const its = { type: 'module', version: same === undefined ? `${version}-other` : version };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(its));
  return pathToFileURL(join(folder, 'dist', 'lib', 'index.js')).href;
}
