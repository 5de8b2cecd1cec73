// npm run prebuild:check [-- TARGETS...]: reads the binaries of prebuilds/ (all six if none is
// named) and says what is wrong with each; exits with 1 if anything is, or if one is missing.
// `--file PATH` with one target checks another file by that target's rules.
import { statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { report } from './faults.mjs';
import { mostTogether, named, targets } from './targets.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { file: { type: 'string' } },
});
const chosen = named(positionals);
if (values.file !== undefined && chosen.length !== 1) throw new Error('--file: of which target?');
const good = chosen.map((target) => report(target, values.file));
process.exitCode = good.every(Boolean) ? 0 : 1;

if (good.length === targets.length && good.every(Boolean)) {
  const bytes = targets.reduce((sum, { path }) => sum + statSync(path).size, 0);
  if (bytes > mostTogether) {
    console.error(`all together: ${bytes} bytes, at most ${mostTogether}`);
    process.exitCode = 1;
  }
}
