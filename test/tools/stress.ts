// npm run stress -- [--forks 2000] [--nodes 20,22,24,26] [--seed N] [--patience 20] [--json]
// Forks under load on each Node line (default: the Node that runs this) and exits with 1 if any
// fork failed in any way. What takes more than --patience seconds (half of it, in the parent's own
// work) has hung: an emulated machine needs some hundred.
import { parseArgs } from 'node:util';
import { type NodeLine, nodeLines } from './nodes.js';
import { failureClasses, type StressResult, stressRun } from './stress-run.js';

const usage = 'stress [--forks 2000] [--nodes 20,22,24,26] [--seed N] [--patience 20] [--json]';

function positive(text: string, name: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name}: not a number: ${text}`);
  return value;
}

function parse() {
  const { values } = parseArgs({
    options: {
      forks: { type: 'string', default: '2000' },
      nodes: { type: 'string' },
      seed: { type: 'string', default: `${Date.now() % 2 ** 31}` },
      patience: { type: 'string', default: '20' },
      json: { type: 'boolean', default: false },
    },
  });
  const { nodes, json } = values;
  return {
    forks: positive(values.forks, 'forks'),
    seed: positive(values.seed, 'seed'),
    patience: positive(values.patience, 'patience'),
    nodes,
    json,
  };
}

function thisNode(): NodeLine {
  const version = process.versions.node;
  return { line: version.split('.')[0] ?? '', version, path: process.execPath };
}

function summary({ version, forks, failures, pause, forksPerSecond, folder }: StressResult) {
  const words = failureClasses
    .map((kind) => [failures.filter((failure) => failure.kind === kind).length, kind] as const)
    .filter(([count]) => count > 0)
    .map(([count, kind]) => `${count} ${kind}`);
  const verdict = failures.length === 0 ? 'no failure' : `${words.join(', ')} (see ${folder})`;
  const times = `p50 ${pause.p50} ms, p99 ${pause.p99} ms, max ${pause.max} ms`;
  return `Node ${version}: ${forks} forks, ${verdict}; pause ${times}; ${forksPerSecond} forks/s`;
}

let options: ReturnType<typeof parse>;
try {
  options = parse();
} catch (error) {
  console.error(`${(error as Error).message}\nusage: ${usage}`);
  process.exit(100);
}
const { forks, seed, patience, nodes, json } = options;
const results: StressResult[] = [];
for (const node of nodes === undefined ? [thisNode()] : nodeLines(nodes.split(','))) {
  console.error(`Node ${node.version}: ${forks} forks, seed ${seed}`);
  const result = await stressRun(node, forks, seed, patience);
  results.push(result);
  console.error(summary(result));
}
if (json) console.log(JSON.stringify({ seed, results }, null, 2));
else for (const result of results) console.log(summary(result));
const complete = results.every((result) => result.forks === forks && result.failures.length === 0);
process.exitCode = complete ? 0 : 1;
