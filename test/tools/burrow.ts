// Daemons that are their script started again, with distinguishable runs.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { type LaunchOptions, Nest } from './daemons.js';
import { entry } from './script.js';

/** The report of a run of the script before its call of becomeDaemon(). */
export interface Run {
  pid: number;
  argv: string[];
  cwd: string;
  [what: string]: unknown;
}

/** A nest whose scripts report each of their runs. */
export class Burrow extends Nest {
  constructor(t: TestContext) {
    super(t, 'reexec');
    writeFileSync(`${this.directory}/runs`, '');
  }

  /** The script: `before` runs, then the run is reported, then it becomes a daemon. */
  source(before = '', options = "{ strategy: 'reexec' }"): string {
    return `const again = process.env.AGAIN !== undefined;
      process.env.AGAIN = 'again';
      const { pid, argv, argv0, execArgv, env } = process;
      const cwd = process.cwd();
      const marks = globalThis.marks;
      const { DAEMONKIT_TEST, AGAIN, ...environment } = env;
      const run = { pid, argv, argv0, execArgv, cwd, marks, environment };
      fs.appendFileSync(${this.#quoted('runs')}, JSON.stringify(run) + '\\n');
      ${before}
      becomeDaemon({ pidfile: ${this.#quoted('d.pid')}, log: ${this.#quoted('d.log')}, ...${options} });
      setInterval(() => {}, 1000);`;
  }

  module(before?: string, options?: string): string {
    const imports = `import fs from 'node:fs'; import { becomeDaemon, planDaemon, dup, fork, setrlimit } from '${entry}';`;
    return `${imports}\n${this.source(before, options)}`;
  }

  #quoted(name: string): string {
    return JSON.stringify(`${this.directory}/${name}`);
  }

  write(name: string, text: string): string {
    writeFileSync(`${this.directory}/${name}`, text);
    return `${this.directory}/${name}`;
  }

  /** The runs of the script so far. */
  runs(): Run[] {
    const lines = readFileSync(`${this.directory}/runs`, 'utf8').split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line));
  }

  /** Runs a command that must lead to a daemon: two runs of the script that differ in the pid. */
  async twice(command: string[], options: LaunchOptions = {}, said = ''): Promise<Run> {
    const { code, stderr } = await this.run([process.execPath, ...command], options);
    assert.deepEqual([code, stderr], [0, said]);
    const [first, second, ...more] = this.runs();
    assert.ok(first !== undefined && second !== undefined);
    assert.deepEqual(more, []);
    assert.deepEqual({ ...second, pid: 0 }, { ...first, pid: 0 });
    assert.notEqual(second.pid, first.pid);
    assert.equal(second.pid, this.pid());
    return second;
  }

  /** Runs an ES module that must not become a daemon. */
  async refused(before: string, options?: string, more: LaunchOptions = {}) {
    const script = this.write('refused.mjs', this.module(before, options));
    const outcome = await this.run([process.execPath, script], more);
    assert.notEqual(outcome.code, 0, 'it started');
    assert.deepEqual(this.processes(), []);
    assert.equal(existsSync(this.pidfile), false);
    return outcome;
  }
}
