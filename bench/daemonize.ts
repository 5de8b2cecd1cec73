// What becoming a daemon costs: by live fork, by starting the program again, and as npm's
// daemonize-process and its kind do it, by child_process.spawn() with `detached`, which makes one child
// and waits for nothing. Each way in a program of its own: from the call in the launcher to the next
// statement in the daemon, and to the launcher's exit. Run by `npm run bench -- daemonize`; prints a
// table and a line of JSON, with --json only the latter.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { median } from './tools.js';

const ROUNDS = 15;
const WAYS = ['fork', 'reexec', 'spawn'] as const;
type Way = (typeof WAYS)[number];

const folder = mkdtempSync(join(tmpdir(), 'daemonkit-bench-'));
const note = join(folder, 'times');
const program = join(folder, 'program.mjs');
const entry = new URL('../lib/index.js', import.meta.url).href;

const SOURCE = `import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
const way = process.argv[2];
const daemonkit = way === 'spawn' ? undefined : await import(${JSON.stringify(entry)});
const now = () => appendFileSync(${JSON.stringify(note)}, process.hrtime.bigint() + '\\n');
if (process.env.AGAIN === undefined) {
  process.env.AGAIN = 'again';
  now();
  if (way === 'spawn') {
    spawn(process.execPath, process.argv.slice(1), { detached: true, stdio: 'ignore' }).unref();
    process.exit(0);
  }
}
if (way !== 'spawn') daemonkit.becomeDaemon({ strategy: way });
now();
`;

const now = () => process.hrtime.bigint();
const milliseconds = (from: bigint, to: bigint) => Number(to - from) / 1e6;
const times = () => readFileSync(note, 'utf8').split('\n').filter(Boolean).map(BigInt);

interface Cost {
  next: number;
  exit: number;
}

async function daemonize(way: Way): Promise<Cost> {
  writeFileSync(note, '');
  const { AGAIN: _, ...env } = process.env;
  const child = spawn(process.execPath, [program, way], { stdio: 'ignore', env });
  const [code] = await once(child, 'exit');
  const end = now();
  if (code !== 0) throw new Error(`${way}: the launcher exited with ${code}`);
  // The launcher that does not wait has ended before.
  while (times().length < 2) await sleep(1);
  const [call = 0n, next = 0n] = times();
  return { next: milliseconds(call, next), exit: milliseconds(call, end) };
}

async function measure(): Promise<Record<Way, Cost>> {
  const costs: Record<Way, Cost[]> = { fork: [], reexec: [], spawn: [] };
  // In turn, so that whatever else the machine does hits all.
  for (let i = 0; i < ROUNDS; i++) for (const way of WAYS) costs[way].push(await daemonize(way));
  const middle = (way: Way) => ({
    next: median(costs[way].map(({ next }) => next)),
    exit: median(costs[way].map(({ exit }) => exit)),
  });
  return { fork: middle('fork'), reexec: middle('reexec'), spawn: middle('spawn') };
}

writeFileSync(program, SOURCE);
try {
  const costs = await measure();
  if (!process.argv.includes('--json')) {
    console.table(
      WAYS.map((way) => ({
        way: way === 'spawn' ? 'spawn(), detached' : `becomeDaemon(), ${way}`,
        "to the daemon's next statement": `${costs[way].next.toFixed(0)} ms`,
        'to spawn()': (costs[way].next / costs.spawn.next).toFixed(2),
        "to the launcher's exit": `${costs[way].exit.toFixed(0)} ms`,
      })),
    );
  }
  const ratio = (way: Way) => costs[way].next / costs.spawn.next;
  console.log(
    JSON.stringify({
      node: process.version,
      rounds: ROUNDS,
      unit: 'ms',
      ...costs,
      ratio: { fork: ratio('fork'), reexec: ratio('reexec') },
    }),
  );
} finally {
  rmSync(folder, { recursive: true });
}
