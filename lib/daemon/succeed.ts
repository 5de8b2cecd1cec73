// The daemon's start in an upgrade: the predecessor has started the process, in its session and as
// its user.
import { begins, succession } from '../system/succession.js';
import type { Birth } from './birth.js';
import { vacateStandard } from './files.js';
import { runChecks, thrown, undoSteps } from './run-steps.js';
import { announceFailure } from './supervision.js';

/**
 * Runs the checks if this process was started to replace another one. It does not detach. Errors
 * are thrown to the script.
 *
 * @returns false in any other process, without any effect.
 */
export function succeed(birth: Birth): boolean {
  if (!succession.onTrial) return false;
  begins(birth, 'daemon');
  const { plan } = birth;
  birth.succeeds = true;
  // The environment does not count: the supervisor of the predecessor, if any, supervises this
  // process.
  plan.detach = succession.heritage?.detached ?? false;
  // The first predecessor has already reported to its reader.
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
