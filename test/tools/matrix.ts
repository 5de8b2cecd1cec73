// npm run test:matrix [-- LINES... [--refresh]]: the tests of fork(), prefork() and copies on each Node line. The addon is
// N-API, so one build serves them all.
import { parseArgs } from 'node:util';
import { filesOf } from './kinds.js';
import { type NodeLine, nodeLines, supportedLines } from './nodes.js';
import { played } from './played.js';

function runLine({ line, version, path }: NodeLine) {
  console.log(`\n# Node ${version}`);
  return { line, version, ...played([path, '--test', '--test-concurrency=1'], filesOf('fork')) };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { refresh: { type: 'boolean', default: false } },
});
const lines = positionals.length > 0 ? positionals : supportedLines;
const rows = nodeLines(lines, values).map(runLine);
console.table(rows.map(({ failed: _, ...row }) => row));
// Last, where it is found however long the log is.
for (const { version, failed } of rows) {
  if (failed !== '') console.log(`Node ${version} failed: ${failed}`);
}
process.exitCode = rows.every(({ pass, fail }) => pass > 0 && fail === 0) ? 0 : 1;
