// npm run prebuild [-- TARGETS...]: builds the binaries of a release with zig, all six if none is
// named, and checks them. Plain JavaScript, so that it runs before anything is built. One that fails
// does not keep the others from being built; the exit code tells.

import { report } from './faults.mjs';
import { named } from './targets.mjs';
import { build } from './zig.mjs';

function built(target) {
  const start = performance.now();
  try {
    build(target);
  } catch (error) {
    console.error(`${target.name}: ${error.message}`);
    return false;
  }
  console.log(`${target.name}: built in ${Math.round((performance.now() - start) / 1000)} s`);
  return report(target);
}

const results = named(process.argv.slice(2)).map(built);
process.exitCode = results.every(Boolean) ? 0 : 1;
