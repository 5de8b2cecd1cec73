// A job runner in production: each job is a fork of the runner, with all loaded data, and can neither slow the runner down
// nor crash it. When it is time to die no new job starts; running jobs have ten seconds.
//
//   node dist/examples/job-runner/production.js SPOOL        NAME.job becomes NAME.done or NAME.failed
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { _exit, becomeDaemon, fork, SignalFlag, waitpidAsync } from 'daemonkit';

const spool = resolve(process.argv[2] ?? '.');
const AT_A_TIME = 2;
const GRACE_MS = 10_000;

const daemon = becomeDaemon({
  pidfile: join(spool, 'runner.pid'),
  log: join(spool, 'runner.log'),
  cwd: spool,
});
using timeToDie = new SignalFlag(['SIGINT', 'SIGTERM']);
const running = new Map<number, Promise<void>>();

/** What a job is: a number of milliseconds, or a word that makes it fail. */
async function work(text: string): Promise<string> {
  if (text.startsWith('fail')) throw new Error(text);
  await sleep(Number(text));
  return `${text} ms in process ${process.pid}\n`;
}

/** In the child: the job and nothing else, as the runner's listeners are not the job's. */
function perform(name: string): void {
  const fail = (error: unknown) => {
    console.error(`${name}:`, error);
    _exit(1);
  };
  work(readFileSync(`${name}.running`, 'utf8')).then((result) => {
    writeFileSync(`${name}.result`, result);
    _exit(0);
  }, fail);
}

async function untilEnded(pid: number, name: string): Promise<void> {
  const { exitCode, signal } = await waitpidAsync(pid);
  running.delete(pid);
  renameSync(`${name}.running`, `${name}.${exitCode === 0 ? 'done' : 'failed'}`);
  console.log(`${name}: ${signal ?? exitCode}`);
}

async function run(): Promise<void> {
  while (!timeToDie.raised) {
    const next = readdirSync('.').find((name) => name.endsWith('.job'));
    if (next === undefined || running.size >= AT_A_TIME) {
      // Until a signal comes, or for a moment.
      await timeToDie.wait({ signal: AbortSignal.timeout(50) }).catch(() => {});
      continue;
    }
    const name = next.slice(0, -4);
    renameSync(next, `${name}.running`);
    const pid = fork();
    if (pid === 0) return perform(name);
    running.set(pid, untilEnded(pid, name));
  }
  await end();
}

async function end(): Promise<void> {
  daemon.stopping();
  const ended = Promise.all(running.values());
  await Promise.race([ended, sleep(GRACE_MS, undefined, { ref: false })]);
  for (const pid of running.keys()) process.kill(pid, 'SIGKILL');
  await ended;
  console.log('time to die');
}

await run();
