// The memory of one, two, four and eight workers that read all of 100 MB of loaded objects, by prefork() and by
// node:cluster. The columns compare the memory of master and workers together, where shared pages count once (Pss), and the
// memory that one worker shares with no other process. Each number of workers is a separate run of bench/prefork.ts, in which
// the two take turns. Run by
// `npm run bench -- memory`; prints a table and a line of JSON, with --json only the latter.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { printTable } from './tools.js';

const WORKERS = [1, 2, 4, 8];
const ROUNDS = 3;

interface Measured {
  total: number;
  privateLoaded: number;
}

const program = fileURLToPath(new URL('prefork.js', import.meta.url));
const rows = WORKERS.map((workers) => {
  const given = ['--json', '--read-only', '--rounds', `${ROUNDS}`, '--workers', `${workers}`];
  const text = execFileSync(process.execPath, [program, ...given], { encoding: 'utf8' });
  const { prefork, cluster } = JSON.parse(text) as Record<'prefork' | 'cluster', Measured>;
  return { workers, prefork, cluster };
});
if (!process.argv.includes('--json')) {
  printTable(
    rows.map(({ workers, prefork, cluster }) => ({
      workers,
      "all memory, of cluster's": (prefork.total / cluster.total).toFixed(2),
      "a worker's own memory, of cluster's": (
        prefork.privateLoaded / cluster.privateLoaded
      ).toFixed(2),
    })),
  );
}
console.log(
  JSON.stringify({ bench: 'memory', node: process.version, unit: 'MB', rounds: ROUNDS, rows }),
);
