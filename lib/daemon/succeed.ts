// Becoming what the predecessor was: the process was started by it, in its session, as its user.
import { begins, succession } from '../system/succession.js';
import type { Birth } from './birth.js';
import { vacateStandard } from './files.js';
import { runChecks, thrown, undoSteps } from './run-steps.js';
import { announceFailure } from './supervision.js';

/**
 * Makes the checks, if this process was started to take another one's place; there is nothing to detach
 * from. An error is the script's.
 *
 * @returns false in any other process; nothing was done then.
 */
export function succeed(birth: Birth): boolean {
  if (!succession.onTrial) return false;
  begins(birth, 'daemon');
  const { plan } = birth;
  birth.succeeds = true;
  // Whatever this process's surroundings look like: whoever watched the predecessor watches it.
  plan.detach = succession.heritage?.detached ?? false;
  // Its reader was told by the first of all predecessors.
  plan.notifyFd = undefined;
  try {
    runChecks(birth);
    return true;
  } catch (error) {
    undoSteps(birth);
    vacateStandard(birth);
    announceFailure(error);
    throw thrown(error);
  }
}
