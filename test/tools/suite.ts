// npm test, npm run test:all [-- FILES and options of node --test]: runs the tests with no terminal and no
// certificates of the user's, and sees to it that nothing is left of them, however they end. `--all` plays
// what npm test leaves out: test/long, and the long form of the tests that have one (full.ts).
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { cleanEnvironment } from './environment.js';
import { filesIn, quickFiles } from './files.js';
import { marked } from './marked.js';
import { childrenOf, killIfThere } from './proc.js';
import { commandOf, sweep } from './sweep.js';

/** Minutes after which a test, and at last its file, is given up. */
const PATIENCE = { quick: 15, all: 30 };

const hasLongForm = (file: string) => readFileSync(file, 'utf8').includes('/full.js');

const [first, ...rest] = process.argv.slice(2);
const all = first === '--all';
const given = all ? rest : process.argv.slice(2);
const options = given.filter((argument) => argument.startsWith('-'));
const quick = quickFiles();
const chosen = given.filter((argument) => !argument.startsWith('-'));
const files =
  chosen.length > 0 ? chosen : all ? [...filesIn('long'), ...quick.filter(hasLongForm)] : quick;

const name = 'DAEMONKIT_TEST_RUN';
const id = randomUUID();
const asked = options.findLast((option) => option.startsWith('--test-timeout='))?.split('=')[1];
const patience = Number(asked ?? 60_000 * (all ? PATIENCE.all : PATIENCE.quick));
// Many of the quick ones wait for most of their time; the long ones have every processor at work.
const together = all ? 2 : Math.min(4, availableParallelism() + 2);
const runner = spawn(
  process.execPath,
  ['--test', `--test-concurrency=${together}`, `--test-timeout=${patience}`, ...options, ...files],
  {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: cleanEnvironment({ [name]: id, ...(all ? { DAEMONKIT_FULL: '1' } : {}) }),
  },
);
// ^C reaches the runner by itself.
process.on('SIGINT', () => {});
for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => runner.kill(signal));
// A file that was given up is killed, but what it has left holds its pipes, and the runner waits for them. One
// that has no child since it only begins, or is about to make the next, has left nothing; and a runner may
// need seconds for either on a crowded machine.
let idle = 0;
// From Node 26 on the runner only gives up tests, and waits for a file whose process continues.
const since = new Map<number, number>();
const watch = setInterval(() => {
  const running = childrenOf(runner.pid as number);
  idle = running.length === 0 ? idle + 1 : 0;
  if (idle >= 8) endHolders();
  for (const pid of since.keys()) if (!running.includes(pid)) since.delete(pid);
  for (const pid of running) {
    const began = since.get(pid) ?? performance.now();
    since.set(pid, began);
    // All the tests of a file together have twice the time of each.
    if (performance.now() - began < 2 * patience) continue;
    console.error(`timed out after ${2 * patience} ms: process ${pid}`);
    killIfThere(pid);
  }
}, 250);
const left: string[] = [];
function endHolders(): void {
  const there = marked(`${name}=${id}`).filter((pid) => pid !== runner.pid);
  // Whose children they are is asked afterwards: a file that has just begun is none of them.
  if (childrenOf(runner.pid as number).length > 0) return;
  for (const pid of there) {
    left.push(`${pid} ${commandOf(pid)}`);
    killIfThere(pid);
  }
}
const end = async (patience: number) => left.push(...(await sweep(`${name}=${id}`, patience)));
const [code, signal] = await once(runner, 'exit');
clearInterval(watch);
await end(1000);
if (left.length > 0) console.error(`left behind, and killed:\n${left.join('\n')}`);
process.exitCode = left.length > 0 || signal !== null ? 1 : code;
