// npm run soak [-- --minutes 30] [--nodes 20,24] [--protocols http1,http2] [--seed N] [--json]
//   [--actions reload,up,down,kill,hang,upgrade,'broken upgrade']
// Daemons with preforked workers under load, HTTP/1.1 and HTTP/2, all at once, while they are reloaded, upgraded,
// scaled, recycled, and their workers killed. Exits with 1 if a request has failed whose worker
// was not killed, or a master's memory or descriptors have grown.
import { parseArgs } from 'node:util';
import { nodeLines } from './nodes.js';
import {
  ACTIONS,
  type Action,
  type Protocol,
  type Sample,
  Soak,
  type SoakResult,
} from './soak-run.js';
import './sweep.js';

/** More than a collector's moods, less than a kilobyte for each of some thousand events. */
const GROWTH_KIB = 8 * 1024;
/** A shorter time says nothing of growth. */
const ENOUGH = 12;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    nodes: { type: 'string', default: process.versions.node },
    protocols: { type: 'string', default: 'http1,http2' },
    seed: { type: 'string', default: `${Date.now() % 2 ** 31}` },
    actions: { type: 'string', default: ACTIONS.join(',') },
    json: { type: 'boolean', default: false },
  },
});

/** Numbers from 0 to 1 that a seed determines (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const median = (numbers: number[]) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0;

/** The last master's first and last third, by medians. */
function growth(samples: Sample[]) {
  const last = samples.at(-1)?.pid;
  const its = samples.filter(({ pid }) => pid === last);
  const third = Math.floor(its.length / 3);
  const [first, end] = [its.slice(0, third), its.slice(-third)];
  const of = (part: Sample[], key: 'residentKiB' | 'descriptors') =>
    median(part.map((one) => one[key]));
  return {
    samples: its.length,
    residentKiB: [of(first, 'residentKiB'), of(end, 'residentKiB')] as const,
    descriptors: [of(first, 'descriptors'), of(end, 'descriptors')] as const,
    // Of every master there was: what an upgrade hands on must not become more.
    masters: new Set(samples.map(({ pid }) => pid)).size,
    widest: Math.max(...samples.map((one) => one.descriptors)),
  };
}

function judge(result: SoakResult): string[] {
  const { samples, residentKiB, descriptors } = growth(result.samples);
  const failures = [...result.failures];
  if (samples < ENOUGH) return failures;
  if (residentKiB[1] - residentKiB[0] > GROWTH_KIB) failures.push(`memory: ${residentKiB} KiB`);
  if (descriptors[1] > descriptors[0]) failures.push(`descriptors: ${descriptors}`);
  return failures;
}

function summary(result: SoakResult, failures: string[]): string {
  const { node, protocol, requests, workers, actions, excused, ends } = result;
  const { residentKiB, descriptors, masters, samples, widest } = growth(result.samples);
  const total = Object.values(requests).reduce((sum, count) => sum + count, 0);
  const list = (counts: Record<string, number>) =>
    Object.entries(counts)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ');
  return `Node ${node}, ${protocol}: ${total} requests of ${workers} workers (${list(requests)}), ${failures.length} failures
  done: ${list(actions)}
  ends of workers: ${list(ends)}
  requests of killed workers that failed: ${excused}
  ${masters} masters; the last one from ${residentKiB[0]} to ${residentKiB[1]} KiB of resident memory, from ${descriptors[0]} to ${descriptors[1]} descriptors (${samples} samples; at most ${widest} in any)
${failures.slice(0, 20).join('\n')}`;
}

const seed = Number(values.seed);
const random = randomFrom(seed);
const minutes = Number(values.minutes);
const protocols = values.protocols.split(',') as Protocol[];
const actions = values.actions.split(',') as Action[];
const lines = nodeLines(values.nodes.split(','));
console.error(`seed ${seed}, ${minutes} minutes`);
const soaks = lines.flatMap((line) => protocols.map((one) => new Soak(line, one, random, actions)));
const results = await Promise.all(soaks.map((soak) => soak.run(minutes)));
const judged = results.map((result) => ({ result, failures: judge(result) }));
for (const { result, failures } of judged) console.log(summary(result, failures));
if (values.json) console.log(JSON.stringify({ seed, minutes, results }));
process.exitCode = judged.some(({ failures }) => failures.length > 0) ? 1 : 0;
