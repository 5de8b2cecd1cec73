// From the launcher to the daemon: fork, setsid, fork. The launcher waits for the outcome.
import { constants } from 'node:os';
import { native } from '../addon/native.js';
import { forkBy } from '../fork/fork.js';
import { ignore } from '../posix/dispositions.js';
import { getChildSubreaper, setChildSubreaper } from '../posix/parentage.js';
import { setsid } from '../posix/session.js';
import { _exit } from '../posix/wait.js';
import { addressToSelf } from '../service/listenfds.js';
import type { Birth, Lines } from './birth.js';
import { farewellBeforehand, sayFarewell } from './farewell.js';
import { closeLines, type Ends, giveUp, openLines } from './lines.js';
import { descendants, endOrphans } from './orphans.js';
import { verdictOf } from './report.js';
import { inStep, undoSteps } from './run-steps.js';
import { announceDaemon, announceFailure, channelOfManager } from './supervision.js';

const { SIGHUP } = constants.signals;

type Outcome = [how: number, code: number, signal: number, text: string];

/**
 * Makes the daemon. Returns 0 in a copy of this process, and the first child's pid in the launcher,
 * with the outcome if the launcher waited natively.
 */
export type Start = (birth: Birth, ends: Ends) => { middle: number; outcome?: Outcome };

/**
 * Makes the daemon by live fork, as a move: only the daemon continues the work. The launcher's
 * other threads stay parked, so that it runs no JavaScript until it exits or the daemon has failed.
 */
export function startByFork(birth: Birth, { launcher, daemon }: Ends): ReturnType<Start> {
  let outcome: Outcome | undefined;
  const { channel, relay } = launcher;
  const { timeout, workers } = birth.plan;
  const make = () => {
    const made = native.launch(
      timeout,
      [daemon.channel, daemon.relay],
      channel,
      relay,
      logOf(birth),
      timeout,
      channelOfManager() ?? -1,
      farewellBeforehand(),
    );
    if (typeof made === 'number' || 'errno' in made) return made;
    outcome = made.outcome;
    return made.pid;
  };
  const middle = forkBy(make, workers, true);
  return outcome === undefined ? { middle } : { middle, outcome };
}

/**
 * Makes this process the launcher, and its grandchild the daemon.
 *
 * @returns only in the grandchild, if that is a copy. The launcher exits when the daemon is ready
 *   or has failed.
 * @throws in the launcher, if it could not fork: `step` is `fork`.
 */
export function detach(birth: Birth, start: Start): void {
  const launcher = process.pid;
  const ends = inStep('fork', openLines);
  // The kernel gives orphans to a subreaper: so the launcher gets its grandchild's exit status.
  const before = getChildSubreaper();
  const known = descendants();
  let started: ReturnType<Start>;
  try {
    setChildSubreaper(true);
    started = inStep('fork', () => start(birth, ends));
  } catch (error) {
    // An atFork hook may also throw in the copy, which must not continue the script.
    if (process.pid !== launcher) giveUp(ends.daemon, error);
    if (!before) setChildSubreaper(false);
    closeLines(ends.launcher);
    closeLines(ends.daemon);
    throw error;
  }
  if (started.middle !== 0) wait(birth, ends, started, known);
  try {
    closeLines(ends.launcher);
    becomeGrandchild(birth, ends.daemon);
    addressToSelf(launcher);
  } catch (error) {
    giveUp(ends.daemon, error);
  }
  birth.lines = ends.daemon;
}

const logOf = ({ plan, files }: Birth) => (plan.stderr === undefined ? -1 : (files?.stderr ?? -1));

/** The outcome of the wait. A native wait is over already. */
function outcomeOf(birth: Birth, ends: Ends, { middle, outcome }: ReturnType<Start>): Outcome {
  if (outcome !== undefined) return outcome;
  closeLines(ends.daemon);
  // If the script has made the terminal raw, this lets ^C send a signal during the wait.
  native.resetTerminal();
  const { channel, relay } = ends.launcher;
  return native.awaitBirth(channel, relay, logOf(birth), middle, birth.plan.timeout);
}

function wait(
  birth: Birth,
  ends: Ends,
  started: ReturnType<Start>,
  known: ReadonlySet<number> | undefined,
): never {
  let exitCode = 1;
  try {
    const outcome = outcomeOf(birth, ends, started);
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
    native.giveBackStandard();
    _exit(exitCode);
  }
}

function becomeGrandchild({ plan }: Birth, lines: Lines): void {
  // Some systems send SIGHUP to a session when its leader exits, as this one is about to.
  const hangup = ignore([SIGHUP]);
  inStep('setsid', setsid);
  const make = () => native.step(plan.timeout, lines.channel);
  inStep('fork', () => forkBy(make, plan.workers, true));
  hangup[Symbol.dispose]();
}
