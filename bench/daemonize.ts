// How long it takes to become a daemon: by live fork, and by starting the program again. The peers are npm's daemonize-process
// (child_process.spawn() with `detached`, which makes one child and waits for nothing), python-daemon (Debian's python3-daemon:
// fork, setsid, fork in a program without threads, also without readiness) and daemonize(1) (Debian's daemonize, which starts a
// program). Each way runs in a separate program. The times are those from the call in the launcher to the next statement in the
// daemon, and to the launcher's exit. A figure is a multiple of the time of daemonize-process. Run by
// `npm run bench -- daemonize`; prints a table and a line of JSON, with --json only the latter.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { median, printTable } from './tools.js';

const ROUNDS = 15;
const PEER = 'daemonize-process, npm';
const PYTHON = '/usr/bin/python3';

const folder = mkdtempSync(join(tmpdir(), 'daemonkit-bench-'));
/** A line of monotonic nanoseconds for each moment; all processes have the same clock. */
const note = join(folder, 'times');

function program(name: string, source: string): string {
  const path = join(folder, name);
  writeFileSync(path, source);
  return path;
}

const NOTE_NOW = `import { appendFileSync } from 'node:fs';
const now = () => appendFileSync(${JSON.stringify(note)}, process.hrtime.bigint() + '\\n');
`;

const ours = program(
  'ours.mjs',
  `import { becomeDaemon } from ${JSON.stringify(import.meta.resolve('daemonkit'))};
${NOTE_NOW}
// The daemon of a re-exec reaches this place again.
if (process.ppid === Number(process.argv[3])) now();
becomeDaemon({ strategy: process.argv[2] });
now();`,
);
const npms = program(
  'npms.mjs',
  `import { daemonizeProcess } from ${JSON.stringify(import.meta.resolve('daemonize-process'))};
${NOTE_NOW}
if (process.ppid === Number(process.argv[3])) now();
daemonizeProcess();
now();`,
);
const plain = program('plain.mjs', `${NOTE_NOW} now();`);
const pythons = program(
  'pythons.py',
  `import daemon, time
def now():
    with open(${JSON.stringify(note)}, 'a') as file: file.write('%d\\n' % time.monotonic_ns())
now()
with daemon.DaemonContext(): now()
`,
);

interface Way {
  command: string[];
  /** The launcher does not record the call: it is a separate program, so its start counts. */
  external?: boolean;
  available: () => boolean;
}

const always = () => true;
const self = `${process.pid}`;
const WAYS: Record<string, Way> = {
  'becomeDaemon(), fork': { command: [process.execPath, ours, 'fork', self], available: always },
  'becomeDaemon(), reexec': {
    command: [process.execPath, ours, 'reexec', self],
    available: always,
  },
  [PEER]: { command: [process.execPath, npms, '', self], available: always },
  'python-daemon': {
    command: [PYTHON, pythons],
    available: () => spawnSync(PYTHON, ['-c', 'import daemon']).status === 0,
  },
  'daemonize(1) of a Node program': {
    command: ['daemonize', process.execPath, plain],
    external: true,
    available: () => spawnSync('daemonize', ['-v']).error === undefined,
  },
};

const now = () => process.hrtime.bigint();
const milliseconds = (from: bigint, to: bigint) => Number(to - from) / 1e6;
const times = () => readFileSync(note, 'utf8').split('\n').filter(Boolean).map(BigInt);

interface Cost {
  next: number;
  exit: number;
}

async function daemonize({ command, external = false }: Way): Promise<Cost> {
  writeFileSync(note, '');
  const [file = '', ...args] = command;
  const start = now();
  const child = spawn(file, args, { stdio: 'ignore' });
  const [code] = await once(child, 'exit');
  const end = now();
  if (code !== 0) throw new Error(`${command.join(' ')}: the launcher exited with ${code}`);
  // Most launchers do not wait.
  while (times().length < (external ? 1 : 2)) await sleep(1);
  const [call = 0n, next = 0n] = external ? [start, ...times()] : times();
  return { next: milliseconds(call, next), exit: milliseconds(call, end) };
}

async function measure(): Promise<Record<string, Cost>> {
  const there = Object.entries(WAYS).filter(([, way]) => way.available());
  const results = there.map(([name, way]) => ({ name, way, costs: [] as Cost[] }));
  // In turn, so that other load on the machine affects all.
  for (let i = 0; i < ROUNDS; i++) {
    for (const { way, costs } of results) costs.push(await daemonize(way));
  }
  const middle = (costs: Cost[], key: keyof Cost) => median(costs.map((cost) => cost[key]));
  return Object.fromEntries(
    results.map(({ name, costs }) => [
      name,
      { next: middle(costs, 'next'), exit: middle(costs, 'exit') },
    ]),
  );
}

try {
  const ways = await measure();
  const peer = ways[PEER] as Cost;
  if (!process.argv.includes('--json')) {
    printTable(
      Object.entries(ways).map(([way, { next, exit }]) => ({
        way,
        "to the daemon's next statement, of daemonize-process": (next / peer.next).toFixed(2),
        "to the launcher's exit, of daemonize-process": (exit / peer.exit).toFixed(2),
      })),
    );
  }
  console.log(JSON.stringify({ node: process.version, rounds: ROUNDS, unit: 'ms', ways }));
} finally {
  rmSync(folder, { recursive: true });
}
