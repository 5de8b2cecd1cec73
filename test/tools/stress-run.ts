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
import { killIfThere, processGroup } from './proc.js';
import { fixture } from './run.js';
import type {
  Counts,
  FailureClass,
  ParentOptions,
  StressEvent,
  StressResult,
} from './stress-events.js';
import { Debugger, Wire } from './stress-peers.js';

const mostDumps = 10;
const mostCores = 3;
const mostTold = 20;
/** For how long a standstill of the machine is reported with later failures. */
const standstillMatters = 60_000;
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
  readonly #wire: Wire;
  readonly #debugger = new Debugger();
  #last = performance.now();
  #tick = performance.now();
  /** The longest standstill of late, and when it was. */
  #heldUp = 0;
  #heldUpAt = 0;
  #done = false;
  #dumps = 0;

  constructor({ line, version, path }: NodeLine, options: ParentOptions, wire: Wire) {
    this.#patience = options.patience;
    this.#wire = wire;
    const folder = mkdtempSync(join(tmpdir(), `daemonkit-stress-node${line}-`));
    const counts = {
      lookups: { begun: 0, ended: 0 },
      threads: { received: 0, missing: 0, waits: 0, latest: 0, faults: {} },
      messages: wire.count,
      debugger: this.#debugger.count,
    };
    const pause = { p50: 0, p99: 0, max: 0 };
    this.result = {
      ...{ line, version, forks: 0, failures: [], pause, forksPerSecond: 0 },
      ...{ counts, stoodStill: 0, folder },
    };
    const log = openSync(join(folder, 'stderr.txt'), 'a');
    const command = [path, '--expose-gc', fixture('stress-parent.js'), JSON.stringify(options)];
    this.#process = spawn('sh', ['-c', 'ulimit -c unlimited; exec "$@"', 'sh', ...command], {
      cwd: folder,
      detached: true,
      stdio: ['ignore', log, log, 'pipe'],
      env: cleanEnvironment(),
    });
    closeSync(log);
  }

  #fail(kind: FailureClass, what: string) {
    const held =
      this.#heldUp > 1000 ? ` (the machine stood still for ${this.#heldUp} ms then)` : '';
    const detail = what + held;
    this.result.failures.push({ kind, detail });
    const same = this.result.failures.filter((failure) => failure.kind === kind).length;
    if (same <= mostTold) console.error(`  ${kind}: ${detail}`);
    if (same === mostTold) console.error(`  ${kind}: further ones are only counted`);
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
      case 'loss':
        this.#fail('loss in child', `${event.what} cut short in ${event.pid}`);
        break;
      case 'debugger':
        this.#debugger.connect(event.url).catch((error) => this.#fail('parent harmed', `${error}`));
        break;
      case 'finish':
        this.#wire.finish();
        this.#debugger.finish();
        break;
      case 'counts':
        this.#count(event);
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

  /** Adds up the parent's reports at the end of each of its loads. */
  #count({ lookups, threads }: Counts) {
    const { counts } = this.result;
    counts.lookups.begun += lookups.begun;
    counts.lookups.ended += lookups.ended;
    counts.threads = threads;
  }

  /** Whatever was begun must have come to its end, or a fork has taken it. */
  #weigh() {
    const { lookups, threads, messages, debugger: asked } = this.result.counts;
    const losses = {
      'look-ups': lookups.begun - lookups.ended,
      messages: messages.sent - threads.received,
      acknowledgements: messages.sent - messages.answered,
      'wrong acknowledgements': messages.wrong,
      "debugger's answers": asked.sent - asked.answered,
      "debugger's wrong answers": asked.wrong,
      ...threads.faults,
    };
    for (const [name, count] of Object.entries(losses)) {
      if (count !== 0) this.#fail('loss in parent', `${name}: ${count}`);
    }
  }

  /** A core is as large as the process: some are enough. */
  #limitCores() {
    const crashes = this.result.failures.filter(({ kind }) => kind === 'crash').length;
    if (crashes === mostCores) spawnSync('prlimit', [`--pid=${this.#process.pid}`, '--core=0']);
  }

  #dump(pid: number, name: string): string {
    if (this.#dumps++ >= mostDumps) return 'no more dumps';
    const path = dump(pid, this.result.folder, name);
    this.#tick = performance.now(); // that took its time, not the machine's
    return path;
  }

  #watch() {
    const now = performance.now();
    const silent = now - this.#last > this.#patience * 1000;
    for (const [pid, child] of this.#children) {
      if (child.hung || now - child.since < this.#patience * 1000) continue;
      child.hung = true;
      this.#fail('hang', `${pid}: ${child.what}; ${this.#dump(pid, `hang-${pid}`)}`);
      // Only a child that was reported to this run, and that its parent has not reaped.
      if (processGroup(this.#process.pid ?? 0).includes(pid)) killIfThere(pid);
      this.#last = performance.now();
    }
    const pid = this.#process.pid;
    if (!silent || pid === undefined || this.#children.size > 0) return;
    this.#fail('parent hang', `no event for ${this.#patience} s; ${this.#dump(pid, 'parent')}`);
    killIfThere(-pid);
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

  /** Ends all that was started; for a run that is broken off. */
  kill() {
    if (this.#process.pid !== undefined) killIfThere(-this.#process.pid);
  }

  async run(): Promise<StressResult> {
    const lines = createInterface({ input: this.#process.stdio[3] as Readable });
    lines.on('line', (line) => this.#event(JSON.parse(line)));
    const closed = new Promise((resolve) => lines.on('close', resolve));
    const timer = setInterval(() => this.#watch(), 500);
    const clock = setInterval(() => {
      const now = performance.now();
      const late = Math.round(now - this.#tick - 100);
      this.result.stoodStill = Math.max(this.result.stoodStill, late);
      if (late > this.#heldUp || now - this.#heldUpAt > standstillMatters) {
        [this.#heldUp, this.#heldUpAt] = [late, now];
      }
      this.#tick = now;
    }, 100);
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
      this.#process.on('error', reject);
      this.#process.on('exit', (...end) => resolve(end));
    });
    clearInterval(timer);
    clearInterval(clock);
    const pgid = this.#process.pid as number;
    // What is left of the group holds the event pipe: without this its end would never come.
    const left = processGroup(pgid);
    if (left.length > 0 && this.#done) {
      this.#fail('hang', `left behind: ${left}; ${this.#dump(left[0] as number, 'left')}`);
    }
    if (left.length > 0) killIfThere(-pgid);
    await closed;
    this.#debugger.close();
    this.#weigh();
    if (!this.#done) this.#fail('parent crash', `ended with ${signal ?? code}`);
    else if (code !== 0) this.#fail('parent harmed', `exit code ${signal ?? code}`);
    return this.#finish();
  }
}

/** One run of that many forks. */
export async function stressRun(
  node: NodeLine,
  options: Omit<ParentOptions, 'port'>,
): Promise<StressResult> {
  const wire = new Wire();
  const run = new StressRun(node, { ...options, port: await wire.open() }, wire);
  const breakOff = () => {
    run.kill();
    process.exit(1);
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, breakOff);
  try {
    return await run.run();
  } finally {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.off(signal, breakOff);
    wire.close();
  }
}
