// One Node line's stress run, from outside: starts fixtures/stress-parent, follows its events, finds
// what hangs or crashes, and classifies every failure.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { dump } from './dump.js';
import { cleanEnvironment } from './environment.js';
import type { NodeLine } from './nodes.js';
import { processGroup } from './proc.js';
import { fixture } from './run.js';

/** The lines of JSON that stress-parent writes to descriptor 3. */
export type StressEvent =
  | { event: 'fork'; pid: number; job: string; end: string; context: string; ms: number }
  | { event: 'end'; pid: number; exitCode: number | null; signal: string | null }
  | { event: 'refused'; message: string; context: string }
  | { event: 'harm'; what: string }
  | { event: 'done' };

export const failureClasses = [
  'crash',
  'hang',
  'wrong exit',
  'refused',
  'parent harmed',
  'parent crash',
  'parent hang',
] as const;
export type FailureClass = (typeof failureClasses)[number];

export interface StressResult {
  line: string;
  version: string;
  forks: number;
  failures: { kind: FailureClass; detail: string }[];
  /** Milliseconds that fork() took in the parent. */
  pause: { p50: number; p99: number; max: number };
  forksPerSecond: number;
  /** Dumps, cores and stderr; kept only if there is a failure. */
  folder: string;
}

const mostDumps = 10;
const mostCores = 3;
const exitCodes: Record<string, number> = { exit: 7, natural: 5, throw: 1, _exit: 13 };

class StressRun {
  readonly result: StressResult;
  readonly #children = new Map<
    number,
    { what: string; end: string; since: number; hung: boolean }
  >();
  readonly #pauses: number[] = [];
  readonly #start = performance.now();
  readonly #patience: number;
  readonly #process: ChildProcess;
  #last = performance.now();
  #done = false;
  #dumps = 0;

  constructor({ line, version, path }: NodeLine, forks: number, seed: number, patience: number) {
    this.#patience = patience;
    const folder = mkdtempSync(join(tmpdir(), `daemonkit-stress-node${line}-`));
    const pause = { p50: 0, p99: 0, max: 0 };
    this.result = { line, version, forks: 0, failures: [], pause, forksPerSecond: 0, folder };
    const log = openSync(join(folder, 'stderr.txt'), 'a');
    const numbers = [forks, seed, patience].map(String);
    const command = [path, '--expose-gc', fixture('stress-parent.js'), ...numbers];
    this.#process = spawn('sh', ['-c', 'ulimit -c unlimited; exec "$@"', 'sh', ...command], {
      cwd: folder,
      detached: true,
      stdio: ['ignore', log, log, 'pipe'],
      env: cleanEnvironment(),
    });
    closeSync(log);
  }

  #fail(kind: FailureClass, detail: string) {
    this.result.failures.push({ kind, detail });
    console.error(`  ${kind}: ${detail}`);
  }

  #event(event: StressEvent) {
    this.#last = performance.now();
    switch (event.event) {
      case 'fork': {
        const what = `${event.job}, ${event.end}, from ${event.context}`;
        const child = { what, end: event.end, since: this.#last, hung: false };
        this.#children.set(event.pid, child);
        this.result.forks++;
        this.#pauses.push(event.ms);
        if (this.result.forks % 1000 === 0) console.error(`  ${this.result.forks} forks`);
        break;
      }
      case 'end':
        this.#ended(event);
        break;
      case 'refused':
        this.#fail('refused', `${event.message}, from ${event.context}`);
        break;
      case 'harm':
        this.#fail('parent harmed', event.what);
        break;
      case 'done':
        this.#done = true;
    }
  }

  #ended({ pid, exitCode, signal }: Extract<StressEvent, { event: 'end' }>) {
    const child = this.#children.get(pid);
    this.#children.delete(pid);
    if (child === undefined || child.hung) return;
    const expected = exitCodes[child.end];
    if (signal !== null) {
      this.#fail('crash', `${signal} in ${pid}: ${child.what}`);
      this.#limitCores();
    } else if (exitCode !== expected) {
      this.#fail('wrong exit', `${exitCode}, not ${expected}, of ${pid}: ${child.what}`);
    }
  }

  /** A core is as large as the process: some are enough. */
  #limitCores() {
    const crashes = this.result.failures.filter(({ kind }) => kind === 'crash').length;
    if (crashes === mostCores) spawnSync('prlimit', [`--pid=${this.#process.pid}`, '--core=0']);
  }

  #dump(pid: number, name: string): string {
    if (this.#dumps++ >= mostDumps) return 'no more dumps';
    return dump(pid, this.result.folder, name);
  }

  #watch() {
    const now = performance.now();
    const silent = now - this.#last > this.#patience * 1000;
    for (const [pid, child] of this.#children) {
      if (child.hung || now - child.since < this.#patience * 1000) continue;
      child.hung = true;
      this.#fail('hang', `${pid}: ${child.what}; ${this.#dump(pid, `hang-${pid}`)}`);
      // Only a child that this run was told of, and that its parent has not reaped.
      if (processGroup(this.#process.pid ?? 0).includes(pid)) process.kill(pid, 'SIGKILL');
      this.#last = performance.now();
    }
    const pid = this.#process.pid;
    if (!silent || pid === undefined || this.#children.size > 0) return;
    this.#fail('parent hang', `no event for ${this.#patience} s; ${this.#dump(pid, 'parent')}`);
    process.kill(-pid, 'SIGKILL');
    this.#last = Infinity;
  }

  #finish() {
    const sorted = this.#pauses.sort((a, b) => a - b);
    const at = (share: number) =>
      Number(
        (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(2),
      );
    this.result.pause = { p50: at(0.5), p99: at(0.99), max: at(1) };
    const seconds = (performance.now() - this.#start) / 1000;
    this.result.forksPerSecond = Math.round(this.result.forks / seconds);
    if (this.result.failures.length === 0) rmSync(this.result.folder, { recursive: true });
    return this.result;
  }

  async run(): Promise<StressResult> {
    const lines = createInterface({ input: this.#process.stdio[3] as Readable });
    lines.on('line', (line) => this.#event(JSON.parse(line)));
    const closed = new Promise((resolve) => lines.on('close', resolve));
    const timer = setInterval(() => this.#watch(), 500);
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
      this.#process.on('error', reject);
      this.#process.on('exit', (...end) => resolve(end));
    });
    clearInterval(timer);
    const pgid = this.#process.pid as number;
    // What is left of the group holds the event pipe: without this its end would never come.
    const left = processGroup(pgid);
    if (left.length > 0 && this.#done) {
      this.#fail('hang', `left behind: ${left}; ${this.#dump(left[0] as number, 'left')}`);
    }
    if (left.length > 0) process.kill(-pgid, 'SIGKILL');
    await closed;
    if (!this.#done) this.#fail('parent crash', `ended with ${signal ?? code}`);
    else if (code !== 0) this.#fail('parent harmed', `exit code ${signal ?? code}`);
    return this.#finish();
  }
}

/** patience: seconds after which a child or the parent is taken for hanging. */
export function stressRun(
  node: NodeLine,
  forks: number,
  seed: number,
  patience: number,
): Promise<StressResult> {
  return new StressRun(node, forks, seed, patience).run();
}
