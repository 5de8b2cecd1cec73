// becomeDaemon(): from a program on a terminal to a daemon, in one call.

import { isMainThread } from 'node:worker_threads';
import { expectNode } from '../addon/host.js';
import { workerUnsupported } from '../base/errors.js';
import { sayAgain } from './again.js';
import { type Birth, birthOf } from './birth.js';
import { expectNoDaemon } from './current.js';
import { vacateStandard } from './files.js';
import { Daemon } from './handle.js';
import { detach, type Start, startByFork } from './launch.js';
import { giveUp } from './lines.js';
import { type DaemonOptions, planOf } from './options.js';
import { dryRun } from './plan.js';
import { evaluationFor, readyWhenSettled } from './readiness.js';
import { resume, startAgain } from './reexec.js';
import { inStep, runChecks, runSteps, thrown, undoSteps } from './run-steps.js';
import { strategyOf } from './strategy.js';
import { succeed } from './succeed.js';
import { announceFailure } from './supervision.js';

export type { EnvironmentOptions } from './environment.js';
export { currentDaemon, type Daemon } from './handle.js';
export type { DaemonOptions } from './options.js';

/**
 * Makes the program a daemon. The call returns in the daemon, with everything that the script has made so far:
 * listening sockets, connections, timers and modules go on. (Where there is no live fork the script runs a second
 * time instead: see below.)
 *
 * Under a supervisor, which takes the end of a process that goes to the background for the end of the service, the
 * process stays in the foreground, as with `{ detach: false }`; {@link supervisor} returns whether one was found.
 * Readiness, reloads and shutdown are reported to the service manager (see {@link notify}), and errors are thrown to
 * the script. With `{ detach: true }` the launcher reports the daemon as the main process.
 *
 * The process that calls, the launcher, does not return to the script. It waits, without serving events, until the
 * daemon is ready, passes on the daemon's standard error meanwhile (to the log as well), and exits with 0. If the
 * daemon cannot start, the launcher prints the step, the errno and the message to standard error, ends what is left
 * of the daemon, removes the pidfile, and exits with 1, with the daemon's own exit code if it had one, or with 128
 * and the number of the signal that ended the daemon or the launcher. The script's 'exit' listeners run in the daemon
 * only.
 *
 * The steps, in this order:
 *
 * 1. in the launcher, where errors are thrown: the directories exist, user and group are known and the process may
 *    become them, the pidfile is locked, /dev/null and the log files are open;
 * 2. `fork`, `setsid`, `fork`: the daemon has a session without a terminal, and cannot acquire one, because it does
 *    not lead the session;
 * 3. `umask`, `chdir`, `pidfile` (written), `privileged` (the hook);
 * 4. `notify` (the service manager's socket, open since 1), `descriptors`, `chroot`, `setgroups`, `setgid`, `setuid`,
 *    `drop` (proves that root cannot be regained), `noNewPrivileges`;
 * 5. `stdio`: 0, 1, 2 and every other descriptor of the terminal lead to /dev/null or the logs. `process.stdin` has
 *    ended; `process.stdout`, `process.stderr` and `console` write to the logs;
 * 6. `inherited`: closes what the starter left open: what was open when daemonkit was loaded, is open in the parent
 *    process too, and is not in use by the event loop;
 * 7. `signals`: ignored signals get their default action, and the mask is emptied; listeners stay;
 * 8. `environment`: removes what belongs to terminal, login and shell;
 * 9. `ready`.
 *
 * **The pidfile** is locked as long as the daemon runs, by the rules of pidfile(3). It is removed when the daemon
 * exits, but only emptied if it lies outside of the chroot or in a directory that `user` may not write to. A process
 * that SIGKILL ends leaves it behind, unlocked, which does not stop the next start. Forks of the daemon neither hold
 * nor remove it.
 *
 * **Ready**: by default when the event loop has turned after the call. So the launcher still reports an error of the
 * next line, and a port in use. `ready` changes that.
 *
 * **SIGTERM** ends the daemon with `process.exit()`, unless the script handles it, by a listener or a {@link
 * SignalFlag}: then shutting down is up to the script. When its listeners are removed and its flags disposed, the
 * next SIGTERM ends the daemon. Before the daemon is ready its exit code is 143, and the launcher reports the signal.
 * A native handler of an addon stays.
 *
 * **Without live fork**, where {@link forkSupport} says so or with `{ strategy: 'reexec' }`, the daemon is the same
 * program started again, by the same command line and environment, in the directory of the moment when daemonkit was
 * loaded. The launcher prints the reason, unless `reexec` was asked for. The script runs from its top, with /dev/null
 * for standard input, the log for standard output, and standard error to the launcher. There this call returns, after
 * the `child` hooks of {@link atFork} that the script has registered by then. What the script has made in the
 * launcher is gone, except the descriptors of `keep`, at the same numbers, and changes of `process.env`. The pidfile
 * stays locked throughout. A REPL, and a script from standard input, cannot be started again. docs/reexec.md has
 * more.
 *
 * **In a program that takes another one's place** (`upgrade()` of {@link prefork}) the process stays where it is,
 * because a daemon started it. The pidfile is the predecessor's until that ends. Logs that the user may not open
 * again stay the predecessor's files.
 *
 * @param options - see {@link DaemonOptions}.
 * @returns the daemon's handle on itself. With `{ ready: 'manual' }`, call its `ready()`.
 * @throws in the launcher only. `TypeError`, `RangeError` for wrong options, and in a Worker
 *   (`ERR_WORKER_UNSUPPORTED_OPERATION`); `ERR_INVALID_STATE` in a process that is a daemon already, by another call
 *   or by the command `daemonkit start`: see {@link currentDaemon}. If a step fails, a {@link DaemonError}, with
 *   `step` as above: `EEXIST` (`pidfile`, with the running daemon's `pid`), `EAGAIN` (`pidfile`, that daemon has not
 *   written its pid yet), `ENOENT` (`setgroups`, no such user or group), `EPERM` (`chroot`, `setgroups`, `setgid`,
 *   `setuid`: not permitted; `chroot` also for an open directory that leads out of it), `ERR_PRIVILEGES_KEPT`
 *   (`drop`: an io_uring ring would go on as root), the errors of open(2) and stat(2), and those of {@link fork}
 *   (`fork`); `ENOTSUP` (`fork`) if the program cannot be started again and that is the only way. Nothing stays
 *   behind then. An error of the `privileged` hook is thrown as it is, with a `step` (`detach: false`).
 *
 * Linux; live fork as for {@link fork}.
 *
 * Source: daemon(7), "SysV Daemons"; daemon(3) and pidfile(3), FreeBSD; libdaemon.
 */
export function becomeDaemon(options?: DaemonOptions): Daemon {
  const plan = planOf(options);
  if (!isMainThread) throw workerUnsupported('becomeDaemon()');
  expectHost();
  const birth = birthOf(plan);
  // As planDaemon() was asked for before 0.2: no type has it.
  if (plan.dryRun) return dryRun(birth) as never;
  expectNoDaemon();
  const evaluated = evaluationFor(plan);
  if (!succeed(birth) && !resume(birth)) begin(birth);
  return finish(birth, evaluated);
}

function expectHost(): void {
  try {
    inStep('fork', () => expectNode('becomeDaemon()', 'fork'));
  } catch (error) {
    throw thrown(error);
  }
}

const startAnew: Start = (birth, ends) => ({ middle: startAgain(birth, ends.daemon) });

/** In the launcher, where errors are the script's. */
function begin(birth: Birth): void {
  const { plan } = birth;
  // Before anything is opened.
  try {
    const strategy = inStep('fork', () => strategyOf(plan));
    birth.strategy = strategy;
    runChecks(birth);
    if (plan.detach && strategy === 'reexec') sayAgain(plan);
    if (plan.detach) detach(birth, strategy === 'fork' ? startByFork : startAnew);
  } catch (error) {
    undoSteps(birth);
    vacateStandard(birth);
    announceFailure(error);
    throw thrown(error);
  }
}

/** In the daemon, where an error shall not come back to the script: it would go on half-born. */
function finish(birth: Birth, evaluated: Promise<unknown>): Daemon {
  const { ready } = birth.plan;
  let daemon: Daemon | undefined;
  try {
    runSteps('run', birth);
    const born = new Daemon(birth);
    daemon = born;
    if (ready === 'detached') inStep('ready', () => born.ready());
    else if (ready !== 'manual') readyWhenSettled(born, evaluated);
    return born;
  } catch (error) {
    if (birth.lines !== undefined) giveUp(birth.lines, error);
    daemon?.[Symbol.dispose]();
    undoSteps(birth);
    announceFailure(error);
    throw thrown(error);
  }
}
