// From the launcher to the daemon: fork, setsid, fork, and a launcher that waits to be told.
import { constants } from 'node:os';
import { addressToSelf } from '../activation.js';
import { ignore } from '../dispositions.js';
import { forkMoving } from '../fork.js';
import { native } from '../native.js';
import { getChildSubreaper, setChildSubreaper } from '../parentage.js';
import { _exit } from '../process.js';
import { setsid } from '../session.js';
import type { Birth, Lines } from './birth.js';
import { sayFarewell } from './farewell.js';
import { closeLines, type Ends, giveUp, openLines, tell } from './lines.js';
import { descendants, endOrphans } from './orphans.js';
import { verdictOf } from './report.js';
import { inStep, undoSteps } from './run-steps.js';
import { announceDaemon, announceFailure } from './supervision.js';

const { SIGHUP } = constants.signals;

/**
 * Makes this process a launcher, and a grandchild of it what becomes the daemon.
 *
 * @param start - makes the first child, which is to have these lines: 0 in a copy of this process,
 *   the child's pid in the launcher.
 * @returns in the grandchild only, if it is a copy. The launcher exits when the daemon is ready, or
 *   cannot be.
 * @throws in the launcher, if it could not fork: `step` is `fork`.
 */
export function detach(birth: Birth, start: (birth: Birth, lines: Lines) => number): void {
  const launcher = process.pid;
  const ends = inStep('fork', openLines);
  // Orphans of the launcher shall come to it, so that it learns how its grandchild ended.
  const before = getChildSubreaper();
  const known = descendants();
  let middle: number;
  try {
    setChildSubreaper(true);
    // What the thread pool is at would be done twice by a copy, and cut off by the launcher's end.
    native.quiesce(1000);
    middle = inStep('fork', () => start(birth, ends.daemon));
  } catch (error) {
    // An atFork hook may also throw in the copy, where nobody shall go on with the script.
    if (process.pid !== launcher) giveUp(ends.daemon, error);
    if (!before) setChildSubreaper(false);
    closeLines(ends.launcher);
    closeLines(ends.daemon);
    throw error;
  }
  if (middle !== 0) wait(birth, ends, middle, known);
  try {
    closeLines(ends.launcher);
    becomeGrandchild(ends.daemon);
    addressToSelf(launcher);
  } catch (error) {
    giveUp(ends.daemon, error);
  }
  birth.lines = ends.daemon;
}

function wait(
  birth: Birth,
  ends: Ends,
  middle: number,
  known: ReadonlySet<number> | undefined,
): never {
  let exitCode = 1;
  try {
    closeLines(ends.daemon);
    // Here, so that ^C becomes a signal while we wait, if the script has made the terminal raw.
    native.resetTerminal();
    const { timeout, stderr } = birth.plan;
    const log = stderr === undefined ? -1 : (birth.files?.stderr ?? -1);
    const { channel, relay } = ends.launcher;
    const outcome = native.awaitBirth(channel, relay, log, middle, timeout);
    const verdict = verdictOf(outcome, birth.plan);
    exitCode = verdict.exitCode;
    if (exitCode === 0) {
      announceDaemon(outcome[1]);
    } else {
      endOrphans(known);
      undoSteps(birth);
      announceFailure(verdict.message);
    }
    sayFarewell({ ...verdict, pid: exitCode === 0 ? outcome[1] : 0 });
  } finally {
    _exit(exitCode);
  }
}

function becomeGrandchild(lines: Lines): void {
  const middle = process.pid;
  // Some systems hang a session up when its leader ends, as this one is about to.
  const hangup = ignore([SIGHUP]);
  inStep('setsid', setsid);
  const daemon = inStep('fork', () => forkMoving());
  if (process.pid === middle) {
    tell(lines.channel, `p${daemon}`);
    _exit(0);
  }
  hangup[Symbol.dispose]();
}
