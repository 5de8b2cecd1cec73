// Every system call of becomeDaemon() fails in turn, or kills its process: launcher, middle process
// and daemon.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chownSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from './daemons.js';
import type { Fault } from './faults-fork.js';
import { attach, detach, type Place, sample } from './strace.js';
import { faultAt, placesOf, Traced, type Trial } from './traced.js';

export type Role = 'launcher' | 'middle' | 'daemon';

const NOBODY = 65534;

/** One start of test/fixtures/born.ts. */
class Start extends Traced {
  readonly #pidfile = join(this.directory, 'd.pid');

  constructor(role: Role) {
    super('born.js', [role]);
    chownSync(this.directory, NOBODY, NOBODY);
  }

  /** Runs it under a tracer that attaches where the role stops itself. */
  async trace(options: string[]): Promise<number> {
    const pid = await this.halted();
    const strace = await attach(pid, ...options);
    try {
      process.kill(pid, 'SIGCONT');
      await Promise.race([this.closed, sleep(60_000, undefined, { ref: false })]);
    } finally {
      await detach(strace);
    }
    await this.closed;
    return pid;
  }

  /** What came of it; throws if anything is as it must not be. */
  async outcome(killedAt?: string): Promise<Omit<Fault, 'place'>> {
    const { exitCode, signalCode } = this.first;
    // A launcher that is killed when the daemon has said that it is ready takes nothing back.
    const late = signalCode !== null && !(await this.allEnded());
    if (exitCode === 0 || late) {
      assert.equal(this.stderr, '');
      // There it has reported that it is ready, and waits for the launcher's end.
      if (killedAt === 'poll' && this.processes().length === 0) {
        assert.ok(this.#unlocked(), 'still locked');
        return { result: 'tolerated', what: 'a daemon, killed when it was ready' };
      }
      const pid = Number(readFileSync(this.#pidfile, 'latin1'));
      assert.deepEqual(this.processes(), [pid], 'there is the daemon, and nothing else');
      process.kill(pid, 'SIGTERM');
      await until('the daemon has ended', () => this.processes().length === 0);
      assert.equal(existsSync(this.#pidfile), false, 'it has removed its pidfile');
      return { result: 'tolerated', what: late ? 'a daemon, launcher killed' : 'a daemon' };
    }
    const what = signalCode ?? /^(\w*Error|daemonkit): .*$/m.exec(this.stderr)?.[0];
    assert.ok(what, `exit code ${exitCode}, and not a word: ${this.stderr}`);
    assert.ok(await this.allEnded(), 'processes are left');
    // A killed process cannot remove its pidfile, and a process without the lock must not. This
    // does not prevent the next start.
    if (signalCode !== null || /flock/.test(what)) assert.ok(this.#unlocked(), 'still locked');
    else assert.equal(existsSync(this.#pidfile), false, `the pidfile is left: ${what}`);
    return { result: 'refused', what };
  }

  #unlocked(): boolean {
    if (!existsSync(this.#pidfile)) return true;
    return spawnSync('flock', ['--nonblock', this.#pidfile, 'true']).status === 0;
  }
}

function trial(role: Role): Trial {
  const start = new Start(role);
  return {
    traced: start,
    trace: (options) => start.trace(options),
    outcome: (at) => start.outcome(at?.call),
  };
}

/** Makes one call fail, or kill. */
export function daemonFault(role: Role, place: Place, kill: boolean): Promise<Fault> {
  return faultAt(trial(role), place, kill, `from the ${role} on`);
}

/** Tries all places of all roles, at most so many of each call. */
export async function daemonFaults(most: number, kill: boolean): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const role of ['launcher', 'middle', 'daemon'] as const) {
    for (const place of sample(await placesOf(trial(role)), most)) {
      faults.push(await daemonFault(role, place, kill));
    }
  }
  return faults;
}
