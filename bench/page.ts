// docs/benchmarks.md, made of what the benchmarks printed and of what they say they measure.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** What is kept of one run of a benchmark. */
export interface Result {
  machine: { cpu: string; cores: number; kernel: string; node: string; load: number };
  date: string;
  /** The printed tables. */
  tables: string;
  measured: object;
}

/** The comment that a benchmark's source begins with, but for how it is run. */
function purpose(name: string): string {
  const path = fileURLToPath(new URL(`../../bench/${name}.ts`, import.meta.url));
  const [comment = ''] = /^(?:\/\/.*\n)+/.exec(readFileSync(path, 'utf8')) ?? [];
  return comment
    .replaceAll(/^\/\/ /gm, '')
    .replace(/\s*Run by[\s\S]*/, '')
    .trim();
}

function section([name, { machine, date, tables }]: [string, Result]): string {
  const { cpu, cores, kernel, node, load } = machine;
  const where = `${date}, Node ${node}, Linux ${kernel}, ${cores} processors (${cpu}), load average before: ${load.toFixed(1)}.`;
  return `## ${name}\n${purpose(name)}\n\n${where}\n\n${tables}\n`;
}

/** The page. The figures of one table are of one run, in which the ways took turns. */
export function page(results: Record<string, Result>): string {
  return `# Benchmarks

<!-- Written by npm run bench; edit bench/. -->
Ratios count: the ways of one table took turns in one run, so that whatever else the machine did hit all of
them. [bench.json](bench.json) has the figures. \`npm run bench\` measures anew and writes this page,
\`npm run bench -- fork signal\` only these parts of it.

![fork() and its peers, by the size of the parent's heap](bench-fork.svg)

${Object.entries(results).sort().map(section).join('\n')}`;
}
