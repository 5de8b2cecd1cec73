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
 * Makes the program a daemon. The call returns in the daemon, with all that the script has made so
 * far: sockets that listen go on listening, connections, timers and modules are there. (Where there
 * is no live fork the script runs a second time instead: see below.)
 *
 * Under a supervisor, which would take a process that goes to the background for dead, it stays in the
 * foreground, as with `{ detach: false }`; {@link supervisor} tells whether one was found. The service
 * manager is told of readiness, reloads and shutdown (see {@link notify}), and errors are the script's.
 * With `{ detach: true }` there, the launcher tells the manager that the daemon is the main process.
 *
 * The process that called it, the launcher, does not come back to the script. It waits, without
 * serving events, until the daemon is ready, passes on what the daemon writes to standard error
 * meanwhile (to the log as well), and exits with 0. If the daemon cannot start it says why on
 * standard error: the step, the errno, the message; it ends what is left of the daemon, removes
 * the pidfile, and exits with 1, with the daemon's own exit code if it had one, or with 128 and the
 * number of the signal that ended the daemon or the launcher. The script's 'exit' listeners run in
 * the daemon only.
 *
 * The steps, in this order:
 *
 * 1. in the launcher, where errors are thrown: the directories exist, user and group are known and
 *    the process may become them, the pidfile is locked, /dev/null and the log files are open;
 * 2. `fork`, `setsid`, `fork`: the daemon has a session without a terminal, and cannot get one, as it
 *    does not lead the session;
 * 3. `umask`, `chdir`, `pidfile` (written), `privileged` (the hook);
 * 4. `notify` (the service manager's socket, open since 1), `descriptors`, `chroot`, `setgroups`,
 *    `setgid`, `setuid`, `drop` (proves that root cannot be regained), `noNewPrivileges`;
 * 5. `stdio`: 0, 1, 2 and every other descriptor of the terminal lead to /dev/null or the logs.
 *    `process.stdin` has ended; `process.stdout`, `process.stderr` and `console` write to the logs;
 * 6. `inherited`: closes what whoever started the program has left open; that is, what was open when
 *    daemonkit was loaded, is open in the parent process too, and not in use by the event loop;
 * 7. `signals`: ignored signals get their default action, and the mask is emptied; listeners stay;
 * 8. `environment`: what belongs to terminal, login and shell is removed;
 * 9. `ready`.
 *
 * **The pidfile** is locked as long as the daemon runs, by the rules of pidfile(3). It is removed
 * when the daemon exits, but only emptied if it lies outside of the chroot or in a directory that
 * `user` may not write to. A process killed by SIGKILL leaves it behind, unlocked, which does not
 * stop the next start. Forks of the daemon neither hold nor remove it.
 *
 * **Ready** it is, unless `ready` says otherwise, when the event loop has turned after the call: the
 * launcher still tells of an error that the next line throws, and of a port in use.
 *
 * **SIGTERM** ends the daemon with `process.exit()`, unless the script handles it, by a listener or a
 * {@link SignalFlag}: then ending is up to the script. When its listeners are removed and its flags
 * disposed, the next SIGTERM ends the daemon. Before the daemon is ready its exit code is 143, and the
 * launcher tells of the signal. A native handler of an addon's is left alone.
 *
 * **Without live fork**, where {@link forkSupport} says so or with `{ strategy: 'reexec' }`, the
 * daemon is the same program started again, which the launcher says on standard error if it was not
 * asked for; by the same command line, environment, and directory
 * that it was in when daemonkit was loaded. The script runs in it from its top, with /dev/null for
 * standard input, the log for standard output, and standard error on its way to the launcher; there
 * this call returns, after the `child` hooks of {@link atFork} that the script has registered by
 * then. Nothing of what the script has made in the launcher is there, but for the descriptors of
 * `keep`, at the same numbers, and changes of `process.env`. The pidfile stays locked throughout.
 * A REPL, and a script that comes from standard input, cannot be started again. docs/reexec.md has
 * more.
 *
 * **In a program that takes another one's place** (`upgrade()` of {@link prefork}) the process stays where it
 * is, as it was started by a daemon; the pidfile is the predecessor's until that goes. Logs that the
 * user may not open anew stay the predecessor's files.
 *
 * @param options - see {@link DaemonOptions}.
 * @returns the daemon's handle on itself. With `{ ready: 'manual' }`, call its `ready()`.
 * @throws in the launcher only. `TypeError`, `RangeError` for wrong options, and in a Worker
 *   (`ERR_WORKER_UNSUPPORTED_OPERATION`); `ERR_INVALID_STATE` in a process that is a daemon already, by
 *   another call or by the command `daemonkit start`: see {@link currentDaemon}. If a step fails, a
 *   {@link DaemonError}, with `step` as above: `EEXIST` (`pidfile`, with the running daemon's `pid`), `EAGAIN` (`pidfile`,
 *   that daemon has not written its pid yet), `ENOENT` (`setgroups`, no such user or group), `EPERM` (`chroot`, `setgroups`,
 *   `setgid`, `setuid`: not allowed; `chroot` also for a directory that is open and leads out of it),
 *   `ERR_PRIVILEGES_KEPT` (`drop`: an io_uring ring would go on as root), what open(2) and stat(2)
 *   say, and what {@link fork} throws (`fork`); `ENOTSUP` (`fork`) if the program cannot be started
 *   again and that is the only way. Nothing is left behind then. What
 *   the `privileged` hook throws is thrown as it is, with a `step` besides (`detach: false`).
 *
 * Linux; live fork as {@link fork} tells.
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
