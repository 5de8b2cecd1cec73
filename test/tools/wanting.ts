// Prints the files of npm test in which a test is skipped on this machine because a program of PACKAGES is missing.
// .ci/run plays them again when it has installed the programs.
import { readFileSync } from 'node:fs';
import { quickFiles } from './files.js';
import { needs, PACKAGES } from './needs.js';

const missing = Object.keys(PACKAGES).filter((program) => needs(program).skip !== false);

/** `needs('root', 'strace')`, `needsRootAndStrace`. */
function mentions(source: string, program: string): boolean {
  const [name = ''] = program.split('-');
  const capital = `${name[0]?.toUpperCase()}${name.slice(1)}`;
  return source.includes(`'${program}'`) || new RegExp(`needs\\w*${capital}\\b`).test(source);
}

for (const path of quickFiles()) {
  const source = readFileSync(path, 'utf8');
  if (missing.some((program) => mentions(source, program))) console.log(path);
}
