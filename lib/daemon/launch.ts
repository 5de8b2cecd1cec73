// From the launcher to the daemon: fork, setsid, fork, and a launcher that waits to be told.
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
 * How the daemon is made: gives 0 in a copy of this process, the first child's pid in the launcher, and
 * with it what came of the wait where the launcher waits natively.
 */
export type Start = (birth: Birth, ends: Ends) => { middle: number; outcome?: Outcome };

/**
 * By live fork, as a move: the daemon alone has what there was. The launcher's other threads stay
 * where they are, so that it runs nothing of JavaScript until it exits, or the daemon has failed.
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
    outcome = made.outcome;
    return made;
  };
  const middle = forkBy(make, workers, true);
  return outcome === undefined ? { middle } : { middle, outcome };
}

/**
 * Makes this process a launcher, and a grandchild of it what becomes the daemon.
 *
 * @returns in the grandchild only, if it is a copy. The launcher exits when the daemon is ready, or
 *   cannot be.
 * @throws in the launcher, if it could not fork: `step` is `fork`.
 */
export function detach(birth: Birth, start: Start): void {
  const launcher = process.pid;
  const ends = inStep('fork', openLines);
  // Orphans of the launcher shall come to it, so that it learns how its grandchild ended.
  const before = getChildSubreaper();
  const known = descendants();
  let started: ReturnType<Start>;
  try {
    setChildSubreaper(true);
    started = inStep('fork', () => start(birth, ends));
  } catch (error) {
    // An atFork hook may also throw in the copy, where nobody shall go on with the script.
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

/** The outcome of the wait, which may be over already. */
function outcomeOf(birth: Birth, ends: Ends, { middle, outcome }: ReturnType<Start>): Outcome {
  if (outcome !== undefined) return outcome;
  closeLines(ends.daemon);
  // Here, so that ^C becomes a signal while we wait, if the script has made the terminal raw.
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
  // Some systems hang a session up when its leader ends, as this one is about to.
  const hangup = ignore([SIGHUP]);
  inStep('setsid', setsid);
  const make = () => native.step(plan.timeout, lines.channel);
  inStep('fork', () => forkBy(make, plan.workers, true));
  hangup[Symbol.dispose]();
}
