// Writes docs/benchmarks.md from the tables that the benchmarks printed and from the comments at their beginning.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The stored result of one run of a benchmark. */
export interface Result {
  machine: {
    cpu: string;
    cores: number;
    memory?: number;
    kernel: string;
    node: string;
    load: number;
  };
  date: string;
  /** The printed tables. */
  tables: string;
  measured: object;
}

/** The first comment of a benchmark's source, without how to run it. */
function purpose(name: string): string {
  const path = fileURLToPath(new URL(`../../bench/${name}.ts`, import.meta.url));
  const [comment = ''] = /^(?:\/\/.*\n)+/.exec(readFileSync(path, 'utf8')) ?? [];
  return comment
    .replaceAll(/^\/\/ /gm, '')
    .replace(/\s*Run by[\s\S]*/, '')
    .trim();
}

function section([name, { machine, date, tables }]: [string, Result]): string {
  const { cpu, cores, memory, kernel, node, load } = machine;
  const size = memory === undefined ? '' : `, ${memory} GiB`;
  const where = `${date}, Node ${node}, Linux ${kernel}, ${cores} processors (${cpu})${size}, load average before: ${load.toFixed(1)}.`;
  return `## ${name}\n${purpose(name)}\n\n${where}\n\n${tables}\n`;
}

const PICTURES = [
  {
    of: 'fork',
    text: 'How long the parent stands still, by the size of its heap: fork() and a raw clone(2)',
    file: 'bench-pause.svg',
  },
  {
    of: 'memory',
    text: 'Memory of master and workers, by the number of workers: prefork() and node:cluster',
    file: 'bench-memory.svg',
  },
];

/** The page. The figures of one table come from one run, in which the ways took turns. */
export function page(results: Record<string, Result>): string {
  return `# Benchmarks

<!-- Written by npm run bench; edit bench/. -->
The tables compare daemonkit with named peers, as ratios. The ways of one table took turns in one run, so that other load on the
machine hit all of them. Each section describes its rows and columns, and names date, machine, load and Node line.

[bench.json](bench.json) has the figures. \`npm run bench\` measures all again and writes this page; \`npm run bench -- fork signal\`
measures only these parts. A peer that is not installed is left out.

${PICTURES.filter(({ of }) => of in results)
  .map(({ text, file }) => `![${text}](${file})\n`)
  .join('\n')}
${Object.entries(results).sort().map(section).join('\n')}`;
}
