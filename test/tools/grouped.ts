// Runs an ES module in a separate process group. It prints its results as lines of JSON; no process
// of the group is left.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { until } from './daemons.js';
import { cleanEnvironment } from './environment.js';
import { collect } from './output.js';
import { killIfThere, processGroup, runningIn } from './proc.js';
import { scriptCommand } from './script.js';

const prelude = `
const { prefork, atFork, fork } = daemonkit;
const say = (...words) => fs.writeSync(1, JSON.stringify(words) + '\\n');
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const until = async (probe) => { while (!(await probe())) await pause(10); };
`;

export interface GroupedOptions {
  execArgv?: string[];
  args?: string[];
  env?: NodeJS.ProcessEnv;
}

export class Grouped {
  readonly pid: number;
  readonly said: unknown[][] = [];
  readonly ended: Promise<[number | null, NodeJS.Signals | null]>;
  readonly #output: { stderr: string };

  /** `daemonkit`, `fs`, `say()`, `pause()` and `until()` are in the module's scope. */
  constructor(
    t: TestContext,
    source: string,
    { execArgv = [], args = [], env = {} }: GroupedOptions = {},
  ) {
    const [node = '', ...rest] = scriptCommand(prelude + source);
    const child = spawn(node, [...execArgv, ...rest, ...args], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: cleanEnvironment(env),
    });
    this.pid = child.pid as number;
    this.ended = once(child, 'exit') as typeof this.ended;
    this.#output = collect(child);
    createInterface(child.stdout).on('line', (line) => {
      this.said.push(JSON.parse(line));
    });
    t.after(() => this.sweep());
  }

  get stderr(): string {
    return this.#output.stderr;
  }

  /** What was said with this first word, without it. */
  words(first: string): unknown[][] {
    return this.said.filter(([word]) => word === first).map((words) => words.slice(1));
  }

  /** Waits for the n-th of these. */
  async hears(first: string, n = 1): Promise<unknown[]> {
    let gone = false;
    const end = () => {
      gone = true;
    };
    void this.ended.then(end, end);
    await until(`${first} ${n}`, () => gone || this.words(first).length >= n, 60_000);
    const words = this.words(first)[n - 1];
    assert.ok(words, `${first} ${n}, said: ${JSON.stringify(this.said)} ${this.stderr}`);
    return words;
  }

  /** All processes there are of it but the first, zombies too. */
  others(): number[] {
    return processGroup(this.pid).filter((pid) => pid !== this.pid);
  }

  /** It ends by itself, with 0, and nothing of it is left. */
  async endsWell(): Promise<void> {
    assert.deepEqual(await this.ended, [0, null], `${JSON.stringify(this.said)} ${this.stderr}`);
    assert.deepEqual(processGroup(this.pid), []);
  }

  async sweep(): Promise<void> {
    const left = () => runningIn(this.pid);
    if (left().length > 0) killIfThere(-this.pid);
    await until('nothing is left', () => left().length === 0);
  }
}
