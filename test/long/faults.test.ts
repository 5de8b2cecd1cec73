// Every system call of a fork, a starting daemon or a preforking server fails once, or kills its
// process: the campaigns of `npm run faults`, with only the first place of each call.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { daemonFaults } from '../tools/faults-daemon.js';
import { type Fault, forkFaults } from '../tools/faults-fork.js';
import { type PhaseName, phases, preforkFaults } from '../tools/faults-prefork.js';
import { needsRootAndStrace } from '../tools/needs.js';

/** A whole program starts there: `npm run faults` has the time. */
const short = Object.keys(phases).filter(
  (name) => name !== 'master that takes over',
) as PhaseName[];

const campaigns: Record<string, () => Promise<Fault[]>> = {
  'a fork': () => forkFaults(1),
  'a daemon': () => daemonFaults(1, false),
  'a daemon, killed': () => daemonFaults(1, true),
  'a preforking server': () => preforkFaults(1, short),
};

for (const [what, campaign] of Object.entries(campaigns)) {
  test(`${what}: no call that fails does harm`, needsRootAndStrace, async (t) => {
    const faults = await campaign();
    t.diagnostic(`${faults.length} faults`);
    assert.ok(faults.length > 15, `${faults.length} faults only`);
    const harm = faults.filter(({ result }) => result === 'harm');
    const told = harm.map(({ place, what }) => `${place}: ${what.slice(0, 1500)}`);
    assert.equal(harm.length, 0, told.slice(0, 5).join('\n'));
  });
}
