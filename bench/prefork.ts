// prefork() against node:cluster, with one application that holds 100 MB of loaded data: the time to
// N ready workers, their private memory, and requests per second. Run by `node dist/bench/prefork.js
// [--nodes 20,22,24,26] [--workers 2,4] [--mb 100] [--read-only] [--rounds 5] [--seconds 5 | --requests 60000]
// [--no-warmup]`; prints tables and a line of JSON, with --json only the latter. The two take turns, so that
// other load on the machine hits both. With --read-only workers read all data three times, and serve no client.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nodeLines } from '../test/tools/nodes.js';
import { application, type Settings, WAYS, type Way } from './prefork-application.js';
import { median, memory, printTable, privateMemory } from './tools.js';

/** For the compiler, and for the first garbage collection of the loaded data. */
const WARM_UP_SECONDS = 2;

interface Round {
  way: Way;
  /** Milliseconds from the first fork until all workers are ready. */
  ready: number;
  /** The same from the start of the program, including the loading of the data. */
  started: number;
  /** MB that only one worker has: when ready, and after the load. */
  privateReady: number;
  privateLoaded: number;
  /** MB of all workers and the master, shared pages counted once (Pss). */
  total: number;
  requests: number;
  errors: number;
  /** Microseconds of CPU that a worker spends on a request, which a busy machine does not change. */
  cost: number;
  /** The busiest worker's requests over the idlest one's. */
  spread: number;
}

/** Microseconds of CPU that processes have used; the kernel counts in hundredths of a second. */
function cpu(pids: number[]): number {
  const ticks = (pid: number) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').pop()?.split(' ') ?? [];
    return Number(fields[11]) + Number(fields[12]);
  };
  return pids.reduce((sum, pid) => sum + ticks(pid) * 10_000, 0);
}

const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const privateOf = (pids: number[]) => mean(pids.map(privateMemory));

/** Responses: the total, and per second. */
interface Fired {
  answered: number;
  rate: number;
  errors: number;
}

async function fire(port: number, ...how: string[]): Promise<Fired> {
  const program = createRequire(import.meta.url).resolve('autocannon');
  const url = `http://127.0.0.1:${port}/`;
  const args = [program, '--json', '--connections', '64', ...how, url];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) text += chunk;
  const { requests, errors, timeouts } = JSON.parse(text);
  return { answered: requests.total, rate: requests.average, errors: errors + timeouts };
}

/**
 * How many requests each worker has served, from repeated requests until all workers have answered.
 */
async function shares(port: number, pids: number[]): Promise<number[]> {
  const served = new Map<number, number>();
  for (let tries = 0; served.size < pids.length && tries < 2000; tries++) {
    // Several at once, because on an idle machine one worker would answer all of them.
    const answers = Array.from({ length: 8 }, () => fetch(`http://127.0.0.1:${port}/served`));
    for (const response of await Promise.all(answers)) {
      const [pid, count] = (await response.json()) as [number, number];
      served.set(pid, count);
    }
  }
  return pids.map((pid) => served.get(pid) ?? 0);
}

async function measure(way: Way, settings: Settings): Promise<Round> {
  const { seconds, requests: amount } = settings;
  const program = fileURLToPath(import.meta.url);
  const args = [program, '--application', way, ...argumentsOf(settings)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  try {
    const [line] = await once(createInterface(child.stdout), 'line');
    const { port, pids, ready, started } = JSON.parse(line);
    const privateReady = privateOf(pids);
    const time = amount === undefined ? ['--duration', `${seconds}`] : ['--amount', `${amount}`];
    let fired: Fired = { answered: 0, rate: 0, errors: 0 };
    let [cost, served] = [0, [] as number[]];
    if (!settings.readOnly) {
      await fire(port, '--duration', `${WARM_UP_SECONDS}`);
      const before = cpu(pids);
      fired = await fire(port, ...time);
      cost = (cpu(pids) - before) / fired.answered;
      served = await shares(port, pids);
    }
    const { rate: requests, errors } = fired;
    const total = [child.pid, ...pids].reduce((sum, pid) => sum + memory(pid, 'Pss'), 0);
    const spread = served.length === 0 ? 1 : Math.max(...served) / Math.max(1, Math.min(...served));
    const privateLoaded = privateOf(pids);
    return {
      way,
      ready,
      started,
      privateReady,
      privateLoaded,
      total,
      requests,
      errors,
      cost,
      spread,
    };
  } finally {
    child.kill('SIGTERM');
    await exited;
  }
}

function middleOf(rounds: Round[], way: Way) {
  const of = rounds.filter((round) => round.way === way);
  const middle = (key: Exclude<keyof Round, 'way'>) => {
    return Math.round(median(of.map((round) => round[key])) * 100) / 100;
  };
  return {
    ready: middle('ready'),
    started: middle('started'),
    privateReady: middle('privateReady'),
    privateLoaded: middle('privateLoaded'),
    total: middle('total'),
    requests: middle('requests'),
    errors: middle('errors'),
    cost: middle('cost'),
    spread: middle('spread'),
  };
}

const MEANS = {
  ready: 'time from the first fork to ready workers (with cluster each loads the data)',
  started: 'time from the start of the program to ready workers',
  privateReady: "a worker's own memory, when ready",
  privateLoaded: "a worker's own memory, after the load",
  total: 'memory of master and workers (Pss)',
  requests: 'requests per second',
  cost: "processor's time per request",
};

async function main(settings: Settings, json: boolean) {
  const { workers, rounds, seconds } = settings;
  const done: Round[] = [];
  for (let i = 0; i < rounds; i++) {
    for (const way of WAYS) done.push(await measure(way, settings));
  }
  const [ours, theirs] = [middleOf(done, 'prefork'), middleOf(done, 'cluster')];
  const ratio = (key: keyof typeof ours) => Number((ours[key] / (theirs[key] || 1)).toFixed(3));
  const results = {
    node: process.version,
    workers,
    rounds,
    seconds,
    prefork: ours,
    cluster: theirs,
  };
  const memories = ['ready', 'started', 'privateReady', 'privateLoaded', 'total'] as const;
  const keys = settings.readOnly ? memories : ([...memories, 'requests', 'cost'] as const);
  const ratios = Object.fromEntries(keys.map((key) => [key, ratio(key)]));
  if (!json) {
    const row = (key: (typeof keys)[number]) => {
      return { "medians of the rounds, times cluster's": MEANS[key], ratio: ratio(key) as number };
    };
    printTable(keys.map(row));
  }
  console.log(JSON.stringify({ ...results, ratios }));
}

/** The arguments for another run of this program with the same settings. */
function argumentsOf(settings: Settings): string[] {
  const { workers, mb, readOnly, warmup, rounds, seconds, requests } = settings;
  const numbers = { workers, mb, rounds, seconds, ...(requests && { requests }) };
  const given = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  return [...given, ...(readOnly ? ['--read-only'] : []), ...(warmup ? [] : ['--no-warmup'])];
}

/** All Node lines and numbers of workers in turn, each in a separate Node process. */
async function compare(nodes: string[], workers: string[], settings: Settings): Promise<void> {
  const rows = [];
  const all = [];
  for (const { path } of nodeLines(nodes)) {
    for (const count of workers) {
      const args = argumentsOf({ ...settings, workers: Number(count) });
      const child = spawn(path, [fileURLToPath(import.meta.url), '--json', ...args], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let text = '';
      for await (const chunk of child.stdout.setEncoding('utf8')) text += chunk;
      const result = JSON.parse(text);
      all.push(result);
      const { node, prefork: ours, cluster: theirs, ratios } = result;
      rows.push({
        node,
        workers: count,
        'private MB': ours.privateLoaded,
        "cluster's": theirs.privateLoaded,
        'total MB': ours.total,
        'of cluster': ratios.total,
        'requests/s': ratios.requests ?? '',
        'CPU per request': ratios.cost ?? '',
        'ready, ms': ours.ready,
        "cluster's, ms": theirs.ready,
        errors: ours.errors + theirs.errors,
      });
      console.error(`${node}, ${count} workers: ${JSON.stringify(ratios)}`);
    }
  }
  printTable(rows);
  console.log(JSON.stringify(all));
}

const { values } = parseArgs({
  options: {
    application: { type: 'string' },
    nodes: { type: 'string' },
    workers: { type: 'string', default: '2' },
    mb: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    requests: { type: 'string' },
    'read-only': { type: 'boolean', default: false },
    'no-warmup': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const settings: Settings = {
  workers: Number.parseInt(values.workers, 10),
  mb: Number(values.mb),
  readOnly: values['read-only'],
  warmup: !values['no-warmup'],
  rounds: Number(values.rounds),
  seconds: Number(values.seconds),
  requests: values.requests === undefined ? undefined : Number(values.requests),
};
if (values.application !== undefined) await application(values.application as Way, settings);
else if (values.nodes === undefined) await main(settings, values.json);
else await compare(values.nodes.split(','), values.workers.split(','), settings);
