// The time from the death of a child to the code that waits for it: waitpidAsync() and waitpid() against the
// 'exit' event of child_process. All wait for the same kind of child, `sleep`. Those of waitpid() are orphans that a shell left
// to this process, because child_process would wait for its own children. A figure is a multiple of the time of the event. Run by
// `npm run bench -- waitpid`; prints a table and a line of JSON, with --json only the latter.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setChildSubreaper, waitpid, waitpidAsync } from 'daemonkit';
import { median, printTable } from './tools.js';

const ROUNDS = 300;

/** A child of this process that child_process does not know. */
function orphan(): number {
  const script = 'sleep 1000 >/dev/null 2>&1 & echo $!';
  return Number(execFileSync('sh', ['-c', script], { encoding: 'utf8' }));
}

/** Microseconds from SIGKILL until `wait` is over. */
async function timed(pid: number, wait: () => unknown): Promise<number> {
  const start = process.hrtime.bigint();
  process.kill(pid, 'SIGKILL');
  await wait();
  return Number(process.hrtime.bigint() - start) / 1000;
}

async function oneOfEach(turn: number) {
  const [first, second] = [orphan(), orphan()];
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  await once(child, 'spawn');
  const exit = once(child, 'exit');
  const promise = waitpidAsync(first);
  const ways: [way: 'async' | 'sync' | 'event', run: () => Promise<number>][] = [
    ['async', () => timed(first, () => promise)],
    ['sync', () => timed(second, () => waitpid(second))],
    ['event', () => timed(child.pid as number, () => exit)],
  ];
  // The first way finds cold caches.
  const shift = turn % ways.length;
  const costs = { async: 0, sync: 0, event: 0 };
  for (const [way, run] of [...ways.slice(shift), ...ways.slice(0, shift)])
    costs[way] = await run();
  return costs;
}

setChildSubreaper(true);
const rounds: Awaited<ReturnType<typeof oneOfEach>>[] = [];
for (let i = 0; i < ROUNDS; i++) rounds.push(await oneOfEach(i));
const middle = (key: 'async' | 'sync' | 'event') => median(rounds.map((round) => round[key]));
const [async, sync, event] = [middle('async'), middle('sync'), middle('event')];
const ratio = { async: async / event, sync: sync / event };
if (!process.argv.includes('--json')) {
  const row = (way: string, us: number) => ({
    way,
    "to the 'exit' event": (us / event).toFixed(2),
  });
  printTable([
    row('waitpidAsync()', async),
    row('waitpid()', sync),
    row("child_process, 'exit'", event),
  ]);
}
console.log(JSON.stringify({ node: process.version, unit: 'us', async, sync, event, ratio }));
