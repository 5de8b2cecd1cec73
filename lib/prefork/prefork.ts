// prefork(): a master and the workers that serve its listening socket.
import { isMainThread } from 'node:worker_threads';
import { expectNode } from '../addon/host.js';
import { workerUnsupported } from '../base/errors.js';
import { expectForkSupport } from '../fork/fork.js';
import { planConfinement } from '../privileges/confine.js';
import { PreforkMaster } from './master/master.js';
import type { PreforkOptions } from './options.js';
import { type PreforkPlan, preforkPlan } from './plan/settings.js';

export type { PreforkMaster } from './master/master.js';
export type {
  EndReason,
  HungWorker,
  PreforkOptions,
  PreforkProgramOptions,
  PreforkServerOptions,
  RecycleReason,
  ReloadOptions,
  RespawnOptions,
  UpgradeOptions,
  UpgradeProgram,
  WorkerExit,
  WorkerExited,
  WorkerGone,
  WorkerKilled,
} from './options.js';
export type {
  LastExit,
  PreforkMasterMessage,
  PreforkStats,
  PreforkWorkerMessage,
  WorkerStats,
} from './told.js';
export type { UpgradeError, UpgradeStep } from './upgrade/error.js';
export type { PreforkWorker } from './worker/worker.js';

/**
 * Makes the process the master of a number of workers: copies of it by {@link fork}, which share
 * what it has loaded and serve one listening socket. The call returns in the master only, at once;
 * workers are forked in later turns of the event loop, and begin with `onWorkerStart`.
 *
 * The master opens the socket and accepts nothing. It replaces workers that end, with growing pauses
 * if they fail; replaces all of them on SIGHUP, without refusing a connection; and on SIGTERM or
 * SIGINT stops accepting and ends them. It lives as long as it has workers to look after.
 *
 * **A worker** is a copy of the whole master. What the master has scheduled, the worker does as well,
 * and what is open is open in both: let the master do nothing but this, or end in `onWorkerStart` what is
 * the master's alone (timers, other servers). prefork's own state and signals stay with the master,
 * and so do `process.on()` listeners for those signals. Code after `await master.ready` and such runs
 * in the master only.
 *
 * Connections of the master to other servers are open in each worker, which would read the others'
 * answers: there is a warning (`DAEMONKIT_OPEN_SOCKETS`). Workers leave those that `fetch()` and the
 * global agents of http and https keep for later.
 *
 * **A worker ends** by SIGTERM, when its master asks, when the master has ended, or by
 * `worker.stop()`: its servers stop accepting; requests under way are answered, the last one of a
 * connection with `Connection: close`, the last streams of an HTTP/2 session after GOAWAY; silent
 * connections are closed after `idleTimeout`; then `onWorkerStop` runs, and the worker exits with 0, after
 * `stopTimeout` at the latest.
 *
 * @param options - see {@link PreforkOptions}.
 * @returns the master's handle: `ready`, `finished`, `reload()`, `scale()`, `upgrade()`, `stop()`, `stats()`, `pids`, `port`.
 * @throws what {@link listeningSocket} throws. `TypeError`, `RangeError` for wrong options, and in a
 *   Worker (`ERR_WORKER_UNSUPPORTED_OPERATION`). `ENOTSUP` (syscall `fork`) with the words of
 *   {@link forkSupport}. For `user`, `chroot` and such what {@link becomeDaemon} would throw, with the `step`
 *   (`rlimits`, `chroot`, `setgroups`, `setgid`, `setuid`). What a later fork throws, `onMasterError` gets, and it is tried again.
 *
 * Linux, as {@link fork}. Source: the prefork servers of Apache, unicorn and gunicorn; daemon(7) for
 * SIGHUP and SIGTERM; docs/prefork.md.
 */
export function prefork(options: PreforkOptions): PreforkMaster {
  const plan: PreforkPlan = preforkPlan(options);
  if (!isMainThread) throw workerUnsupported('prefork()');
  expectNode('prefork()', 'fork');
  expectForkSupport(plan.fork, 'threads');
  plan.confinement = planConfinement(plan.privileges);
  return new PreforkMaster(plan);
}
