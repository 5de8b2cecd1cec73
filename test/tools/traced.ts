// A program of test/fixtures under a tracer, with all the processes that come of it.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from './daemons.js';
import { cleanEnvironment } from './environment.js';
import type { Fault } from './faults-fork.js';
import { marked } from './marked.js';
import { killIfThere, stat } from './proc.js';
import { fixture } from './run.js';
import { errorOf, inject, type Place, places } from './strace.js';

/** Starts `PROGRAM DIRECTORY ARGS...`, which may stop itself where a tracer must begin. */
export class Traced {
  readonly directory = mkdtempSync(join(tmpdir(), 'daemonkit-'));
  readonly first: ChildProcess;
  /** When the first process, and all processes with its output, have ended. */
  readonly closed: Promise<unknown>;
  stderr = '';
  readonly #mark = `DAEMONKIT_TEST=${randomUUID()}`;

  constructor(program: string, args: string[], stdout: 'ignore' | 'pipe' = 'ignore') {
    const [name = '', value] = this.#mark.split('=');
    this.first = spawn(process.execPath, [fixture(program), this.directory, ...args], {
      stdio: ['ignore', stdout, 'pipe'],
      env: cleanEnvironment({ [name]: value }),
      // A group of its own, in which a stopped child of it is no orphan that gets a SIGHUP.
      detached: true,
    });
    this.first.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.closed = new Promise((resolve) => this.first.on('close', resolve));
  }

  /** All there are but zombies. */
  processes(): number[] {
    return marked(this.#mark);
  }

  /** Waits for the one that has stopped itself. */
  halted(): Promise<number> {
    const stopped = () => this.processes().find((pid) => /^[Tt]/.test(stat(pid)[0] ?? ''));
    return until('somebody has stopped itself', stopped);
  }

  /** Whether all end by themselves; those that are about to do it soon. */
  async allEnded(): Promise<boolean> {
    for (let tries = 0; tries < 300; tries++) {
      if (this.processes().length === 0) return true;
      await sleep(20);
    }
    return false;
  }

  async end(): Promise<void> {
    for (const pid of this.processes()) killIfThere(pid);
    await this.closed;
    await until('nothing is left', () => this.processes().length === 0);
    rmSync(this.directory, { recursive: true });
  }
}

/** The work of a campaign on a program: it attaches strace(1), and reports the outcome. */
export interface Trial {
  traced: Traced;
  /** Gives the pid that was traced. */
  trace(options: string[]): Promise<number>;
  /** Throws if anything is wrong. `at` is the place of a kill. */
  outcome(at?: { call: string; pid: number }): Promise<Omit<Fault, 'place'>>;
}

/** The places of an undisturbed run. */
export async function placesOf({ traced, trace, outcome }: Trial): Promise<Place[]> {
  const folder = mkdtempSync(join(tmpdir(), 'daemonkit-'));
  try {
    await trace([`-o${folder}/trace`]);
    await outcome();
    return places(`${folder}/trace`);
  } finally {
    await traced.end();
    rmSync(folder, { recursive: true });
  }
}

/** Makes one call fail, or kill; `where` describes its process. */
export async function faultAt(
  { traced, trace, outcome }: Trial,
  { call, when, file }: Place,
  kill: boolean,
  where: string,
): Promise<Fault> {
  const what = kill ? 'signal=KILL' : `error=${errorOf(call)}`;
  const place = `${call} ${when} ${what} ${where}`;
  const path = file && join(traced.directory, file);
  try {
    const pid = await trace(inject(call, what, when, path));
    return { place, ...(await outcome(kill ? { call, pid } : undefined)) };
  } catch (error) {
    return { place, result: 'harm', what: (error as Error).message };
  } finally {
    await traced.end();
  }
}
