// npm run stress -- [--forks 2000] [--nodes 20,22,24,26] [--seed N] [--patience 20] [--json]
//   [--without lookups,waits,wire,debugger] [--addresses 1000]
// Forks under load on each Node line (default: the Node that runs this) and exits with 1 if any
// fork failed in any way, or the parent has lost anything. What takes more than --patience seconds
// (half of it, in the parent's own work) has hung: an emulated machine needs some hundred. As root
// all runs in a network of its own, in which name look-ups meet that many addresses.
import { parseArgs } from 'node:util';
import { type NodeLine, nodeLines } from './nodes.js';
import { optionsOf } from './options.js';
import { allParts, failureClasses, type Part, type StressResult } from './stress-events.js';
import { inNetwork } from './stress-network.js';
import { stressRun } from './stress-run.js';

const usage = `stress [--forks 2000] [--nodes 20,22,24,26] [--seed N] [--patience 20] [--json]
              [--without ${allParts.join(',')}] [--addresses 1000]`;

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
      without: { type: 'string', default: '' },
      addresses: { type: 'string', default: '1000' },
    },
  });
  const { nodes, json } = values;
  const without = values.without.split(',').filter(Boolean);
  const unknown = without.find((name) => !allParts.includes(name as Part));
  if (unknown !== undefined) throw new Error(`--without: not a part: ${unknown}`);
  return {
    parts: allParts.filter((part) => !without.includes(part)),
    addresses: positive(values.addresses, 'addresses'),
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

function summary(result: StressResult) {
  const { version, forks, failures, pause, forksPerSecond, folder, counts, stoodStill } = result;
  const words = failureClasses
    .map((kind) => [failures.filter((failure) => failure.kind === kind).length, kind] as const)
    .filter(([count]) => count > 0)
    .map(([count, kind]) => `${count} ${kind}`);
  const verdict = failures.length === 0 ? 'no failure' : `${words.join(', ')} (see ${folder})`;
  const { lookups, threads, messages, debugger: asked } = counts;
  const cut = Object.values(threads.faults).reduce((sum, count) => sum + count, 0);
  return `Node ${version}: ${forks} forks, ${verdict}
  fork(): p50 ${pause.p50} ms, p99 ${pause.p99} ms, max ${pause.max} ms; ${forksPerSecond} forks/s
  parent: look-ups ${lookups.ended} of ${lookups.begun}, messages ${threads.received} of ${messages.sent}, \
acknowledged ${messages.answered}, debugger ${asked.answered} of ${asked.sent}, \
waits ${threads.waits}, of which cut short ${cut}
  the machine stood still for up to ${stoodStill} ms`;
}

const options = optionsOf(parse, usage);
const { forks, seed, nodes, json, addresses, ...rest } = options;
const lines = nodes === undefined ? [thisNode()] : nodeLines(nodes.split(','));
// Only now: in a network of its own there is no registry.
console.error(inNetwork(addresses));
const results: StressResult[] = [];
for (const node of lines) {
  console.error(`Node ${node.version}: ${forks} forks, seed ${seed}`);
  const result = await stressRun(node, { forks, seed, ...rest });
  results.push(result);
  console.error(summary(result));
}
if (json) console.log(JSON.stringify({ seed, results }, null, 2));
else for (const result of results) console.log(summary(result));
const complete = results.every((result) => result.forks === forks && result.failures.length === 0);
process.exitCode = complete ? 0 : 1;
