// Prints the files of npm test in which a test is skipped on this machine because a program of PACKAGES is missing.
// .ci/run plays them again when it has installed the programs.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { needs, PACKAGES } from './needs.js';

const tests = fileURLToPath(new URL('..', import.meta.url));
const missing = Object.keys(PACKAGES).filter((program) => needs(program).skip !== false);

/** `needs('root', 'strace')`, `needsRootAndStrace`. */
function mentions(source: string, program: string): boolean {
  const [name = ''] = program.split('-');
  const capital = `${name[0]?.toUpperCase()}${name.slice(1)}`;
  return source.includes(`'${program}'`) || new RegExp(`needs\\w*${capital}\\b`).test(source);
}

for (const folder of ['.', 'peers']) {
  for (const file of readdirSync(join(tests, folder))) {
    if (!file.endsWith('.test.js')) continue;
    const path = join(tests, folder, file);
    const source = readFileSync(path, 'utf8');
    if (missing.some((program) => mentions(source, program))) console.log(path);
  }
}
