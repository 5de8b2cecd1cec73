// npm run hang [-- --workers 4] [--timeout 1000] [--rounds 10]: how long a preforked server is silent when all of its
// workers run into an endless loop at once: until a client gets an answer, counted from the last of them. On a machine
// with nothing else to do it is `hangTimeout`, and what a new worker takes to start.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: '4' },
    timeout: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '10' },
  },
});
const [workers, hangTimeout, rounds] = [values.workers, values.timeout, values.rounds].map(Number);

const program = fileURLToPath(new URL('../fixtures/watched.js', import.meta.url));
const setup = JSON.stringify({ options: { workers, hangTimeout } });
const server = spawn(process.execPath, [program, setup], { stdio: ['ignore', 'pipe', 'inherit'] });
process.on('exit', () => server.kill('SIGKILL'));

interface Line {
  event: string;
  port: number;
  stats: { workers: { state: string }[] };
}

let port = 0;
let serving = 0;
const lines = createInterface({ input: server.stdout });
const ready = new Promise<void>((resolve) => {
  lines.on('line', (text) => {
    const { event, port: told, stats } = JSON.parse(text) as Line;
    if (event === 'stats') serving = stats.workers.filter(({ state }) => state === 'ready').length;
    if (event === 'listening') port = told;
    if (event === 'ready') resolve();
  });
});

/** One request over a separate connection; returns the process that answered. */
function ask(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, agent: false };
    const request = get(options, async (response) => {
      let text = '';
      for await (const part of response.setEncoding('utf8')) text += part;
      resolve(text);
    });
    request.on('error', reject);
  });
}

async function round(): Promise<number> {
  while (serving !== workers) await sleep(10);
  const spinning = new Set<string>();
  while (spinning.size < Number(workers)) spinning.add(await ask('/spin'));
  const begin = performance.now();
  const answered = await ask('/');
  if (spinning.has(answered)) throw new Error(`worker ${answered} was to spin, and answers`);
  serving = 0;
  return performance.now() - begin;
}

await ready;
const times: number[] = [];
for (let i = 0; i < Number(rounds); i++) {
  times.push(await round());
  console.log(`service is back after ${Math.round(times.at(-1) as number)} ms`);
}
const [first = 0, ...rest] = times.toSorted((a, b) => a - b);
const middle = [first, ...rest][Math.floor(times.length / 2)] as number;
const [p50, least, most] = [middle, first, rest.at(-1) ?? first].map(Math.round);
console.log(
  `${workers} workers, hangTimeout ${hangTimeout} ms: ${least} to ${most} ms, p50 ${p50} ms`,
);
server.kill('SIGTERM');
await once(server, 'exit');
