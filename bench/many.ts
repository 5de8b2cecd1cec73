// How much many open sockets, file watches and threads add to the pause of fork(): the pause as a multiple of the pause without
// them, and the microseconds for each. If each of the second half costs as much as each of the first half, the growth is
// linear. Every row is a separate program, compared with one that has none of them. Sockets are both ends of connections
// of the event loop; a watch is an fs.watch() of a file; the threads wait for work, like those of an addon. Run by
// `npm run bench -- many`; prints a table and a line of JSON, with --json only the latter.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, watch, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { _exit, fork, getrlimit, setrlimit, waitpid } from 'daemonkit';
import { median, printTable } from './tools.js';

const ROUNDS = 25;

async function sockets(count: number): Promise<void> {
  const server = createServer(() => {}).listen({ port: 0, host: '127.0.0.1', backlog: 1000 });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  let accepted = 0;
  server.on('connection', () => accepted++);
  for (let i = 0; i < count / 2; i += 100) {
    const some = Array.from({ length: 100 }, () => connect(port, '127.0.0.1'));
    await Promise.all(some.map((socket) => once(socket, 'connect')));
  }
  while (accepted < count / 2) await sleep(10);
}

function watches(count: number, folder: string): void {
  for (let i = 0; i < count; i++) {
    const path = join(folder, `${i}`);
    writeFileSync(path, '');
    watch(path);
  }
}

function threads(count: number): void {
  const path = new URL('../../bench/native/build/Release/bench_sleepers.node', import.meta.url);
  const { start } = createRequire(import.meta.url)(fileURLToPath(path));
  if (start(count) !== count) throw new Error('no more threads can be started');
}

const KINDS: Record<
  string,
  { counts: number[]; make: (count: number, folder: string) => unknown }
> = {
  sockets: { counts: [0, 5000, 10_000], make: sockets },
  watches: { counts: [0, 5000, 10_000], make: watches },
  threads: { counts: [0, 100, 200], make: threads },
};

/** Microseconds. */
interface Cost {
  pause: number;
  /** The processor time of all threads of the parent, which a busy machine changes less. */
  cpu: number;
}

async function pauses(): Promise<Cost> {
  const costs: Cost[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    await sleep(5);
    const [before, start] = [process.cpuUsage(), process.hrtime.bigint()];
    const pid = fork();
    if (pid === 0) _exit(0);
    const pause = Number(process.hrtime.bigint() - start) / 1000;
    const { user, system } = process.cpuUsage(before);
    waitpid(pid);
    costs.push({ pause, cpu: user + system });
  }
  const middle = (key: keyof Cost) => median(costs.map((cost) => cost[key]));
  return { pause: middle('pause'), cpu: middle('cpu') };
}

async function one(kind: string, count: number): Promise<void> {
  const { hard } = getrlimit('NOFILE');
  setrlimit('NOFILE', { soft: hard, hard });
  const folder = mkdtempSync(join(tmpdir(), 'daemonkit-bench-'));
  try {
    await KINDS[kind]?.make(count, folder);
    console.log(JSON.stringify(await pauses()));
  } finally {
    rmSync(folder, { recursive: true });
  }
  process.exit();
}

function measure() {
  const program = fileURLToPath(import.meta.url);
  return Object.entries(KINDS).map(([kind, { counts }]) => {
    const costs = counts.map((count) => {
      const args = [program, '--kind', kind, `${count}`];
      return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Cost;
    });
    return { kind, counts, costs };
  });
}

function table({ kind, counts, costs }: ReturnType<typeof measure>[number]) {
  const [none, half, all] = costs as [Cost, Cost, Cost];
  const [, some = 0, most = 0] = counts;
  return {
    'open besides': `${most} ${kind}`,
    'pause, of that without': (all.pause / none.pause).toFixed(1),
    'us for each': ((all.pause - none.pause) / most).toFixed(2),
    'of the first half': ((half.pause - none.pause) / some).toFixed(2),
    'of the second': ((all.pause - half.pause) / (most - some)).toFixed(2),
    'us of processor for each': ((all.cpu - none.cpu) / most).toFixed(2),
  };
}

const [flag, kind = '', count] = process.argv.slice(2);
if (flag === '--kind') await one(kind, Number(count));
else {
  const rows = measure();
  if (flag !== '--json') printTable(rows.map(table));
  console.log(JSON.stringify({ bench: 'many', node: process.version, unit: 'us', rows }));
}
