// becomeDaemon(): turns a program on a terminal into a daemon.

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
 * Turns the program into a daemon. The call returns in the daemon, and everything that the script
 * has made so far keeps working there: listening sockets, connections, timers and modules. (Without
 * live fork the script runs a second time instead: see below.)
 *
 * A supervisor takes the exit of the process that it has started for the end of the service. So
 * under a supervisor the process stays in the foreground, as with `{ detach: false }`; {@link
 * supervisor} returns whether one was found. Readiness, reloads and shutdown are reported to the
 * service manager (see {@link notify}), and errors are thrown to the script. With `{ detach: true
 * }` the launcher reports the daemon as the main process.
 *
 * The calling process, the launcher, does not return to the script. It waits until the daemon is
 * ready, then exits with 0. While it waits, it handles no events, and forwards the daemon's
 * standard error (which also goes to the log). If the daemon cannot start, the launcher prints the
 * step, the errno and the message to standard error, ends the remaining processes of the daemon,
 * removes the pidfile, and exits. Its exit code is the daemon's own exit code if there is one, 128
 * plus the number of the signal that ended the daemon or the launcher, or else 1. The script's
 * 'exit' listeners run in the daemon only.
 *
 * The steps, in this order:
 *
 * 1. in the launcher, where errors are thrown: checks that the directories exist, that user and
 *    group are known and that the process may change to them; locks the pidfile; opens /dev/null
 *    and the log files;
 * 2. `fork`, `setsid`, `fork`: the daemon has a session without a terminal, and cannot acquire one, because it does
 *    not lead the session;
 * 3. `umask`, `chdir`, `pidfile` (written), `privileged` (the hook);
 * 4. `notify` (the service manager's socket, open since 1), `descriptors`, `chroot`, `setgroups`, `setgid`, `setuid`,
 *    `drop` (proves that root cannot be regained), `noNewPrivileges`;
 * 5. `stdio`: redirects 0, 1, 2 and every other descriptor of the terminal to /dev/null or the
 *    logs. `process.stdin` has ended; `process.stdout`, `process.stderr` and `console` write to the
 *    logs;
 * 6. `inherited`: closes descriptors that the starter left open: those that were open when
 *    daemonkit was loaded, are open in the parent process too, and are not in use by the event
 *    loop;
 * 7. `signals`: ignored signals get their default action back, and no signal stays blocked;
 *    listeners stay;
 * 8. `environment`: removes the variables of the terminal, the login and the shell;
 * 9. `ready`.
 *
 * **The pidfile** is locked as long as the daemon runs, by the rules of pidfile(3). The daemon
 * removes it when it exits. If it lies outside of the chroot, or in a directory that `user` may not
 * write to, the daemon only empties it. After SIGKILL the file stays, unlocked, and does not
 * prevent the next start. Forks of the daemon neither hold nor remove it.
 *
 * **Ready**: by default, once the event loop has run one turn after the call. So the launcher still
 * reports an error in the next line of the script, or a port in use. The option `ready` changes
 * this.
 *
 * **SIGTERM** ends the daemon with `process.exit()`, unless the script handles it, by a listener or
 * a {@link SignalFlag}. Then the script is responsible for the shutdown. If it removes its
 * listeners and disposes its flags, the next SIGTERM ends the daemon. Before the daemon is ready
 * its exit code is 143, and the launcher reports the signal. An addon's native handler stays.
 *
 * **Without live fork**, where {@link forkSupport} reports none or with `{ strategy: 'reexec' }`,
 * the daemon is the same program, started again with the same command line and environment, in the
 * directory that was current when daemonkit was loaded. The launcher prints the reason, unless the
 * option asked for `reexec`. The script runs from its beginning; standard input is /dev/null,
 * standard output the log, and standard error goes to the launcher. When the script reaches this
 * call, the `child` hooks of {@link atFork} that it has registered run, and the call returns. What
 * the script has made in the launcher is gone, except the descriptors of `keep`, at the same
 * numbers, and changes of `process.env`. The pidfile stays locked throughout. A REPL, and a script
 * from standard input, cannot be started again. See docs/reexec.md.
 *
 * **In the new process of an upgrade** (`upgrade()` of {@link prefork}) the call does not fork,
 * because a daemon started the process. The predecessor keeps the pidfile until it ends. Log files
 * that `user` may not open again stay open from the predecessor.
 *
 * @param options - see {@link DaemonOptions}.
 * @returns the daemon's handle. With `{ ready: 'manual' }`, call its `ready()`.
 * @throws in the launcher only. `TypeError`, `RangeError` for wrong options, and in a Worker
 *   (`ERR_WORKER_UNSUPPORTED_OPERATION`); `ERR_INVALID_STATE` in a process that is a daemon
 *   already, by another call or by the command `daemonkit start`: see {@link currentDaemon}. If a
 *   step fails, a {@link DaemonError}, with `step` as above: `EEXIST` (`pidfile`, with the running
 *   daemon's `pid`), `EAGAIN` (`pidfile`, that daemon has not written its pid yet), `ENOENT`
 *   (`setgroups`, no such user or group), `EPERM` (`chroot`, `setgroups`, `setgid`, `setuid`: not
 *   permitted; `chroot` also for an open directory outside of the new root), `ERR_PRIVILEGES_KEPT`
 *   (`drop`: an io_uring ring would keep running as root), the errors of open(2) and stat(2), and
 *   those of {@link fork} (`fork`); `ENOTSUP` (`fork`) if neither live fork nor a second start is
 *   possible. After an error nothing stays behind. An error of the `privileged` hook is thrown as
 *   it is, with a `step` (`detach: false`).
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
  // The option before 0.2 for planDaemon(). No type has it.
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

/** In the launcher, where errors are thrown to the script. */
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

/**
 * In the daemon. An error must not return to the script, which would continue in a half-made
 * daemon.
 */
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
