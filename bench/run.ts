// Runs the benchmarks, all or those that are named, one after the other: prints their tables, writes
// them to docs/benchmarks.md and docs/bench.json, and draws docs/bench-pause.svg and docs/bench-memory.svg. Run by
// `npm run bench [-- fork signal ...]`.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { page, type Result } from './page.js';
import { type ForkResult, type MemoryResult, memoryPlot, pausePlot } from './plot.js';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const RESULTS = here('../../docs/bench.json');
const PAGE = here('../../docs/benchmarks.md');
const NOT_BENCHMARKS = ['run', 'tools', 'plot', 'page', 'prefork-application'];

const all = readdirSync(here('.'))
  .filter((file) => file.endsWith('.js'))
  .map((file) => file.slice(0, -3))
  .filter((name) => !NOT_BENCHMARKS.includes(name));

/** Prints the benchmark's output; its last line is the JSON. */
async function run(name: string): Promise<Result> {
  console.log(`\n${name}`);
  const load = loadavg()[0] as number;
  const child = spawn(process.execPath, [here(`${name}.js`)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) text += chunk;
  if (child.exitCode === null) await once(child, 'exit');
  if (child.exitCode !== 0) throw new Error(`${name} failed: ${child.exitCode}`);
  const lines = text.trimEnd().split('\n');
  const measured = JSON.parse(lines.pop() as string);
  const tables = lines.join('\n').trim();
  console.log(tables);
  const processors = cpus();
  const cpu = processors[0]?.model ?? 'unknown';
  const { length: cores } = processors;
  const memory = Math.round(totalmem() / 2 ** 30);
  const machine = { cpu, cores, memory, kernel: release(), node: process.version, load };
  return { machine, date: new Date().toISOString().slice(0, 10), tables, measured };
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  console.error(`no such benchmark: ${unknown.join(', ')}; there are ${all.join(', ')}`);
  process.exit(100);
}
const results: Record<string, Result> = existsSync(RESULTS)
  ? JSON.parse(readFileSync(RESULTS, 'utf8'))
  : {};
for (const name of wanted.length > 0 ? wanted : all) {
  results[name] = await run(name);
  writeFileSync(RESULTS, `${JSON.stringify(results, null, 2)}\n`);
  writeFileSync(PAGE, page(results));
}
const drawn = (name: string, svg: string) =>
  writeFileSync(here(`../../docs/bench-${name}.svg`), svg);
if (results.fork) drawn('pause', pausePlot(results.fork.measured as ForkResult));
if (results.memory) drawn('memory', memoryPlot(results.memory.measured as MemoryResult));
