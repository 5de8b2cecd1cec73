// prefork(): a master, and workers that serve its listening socket.
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
 * its loaded data and serve one listening socket. The call returns at once, and only in the master.
 * Workers are forked in later turns of the event loop, and start with `onWorkerStart`.
 *
 * The master opens the socket and accepts no connections. It replaces workers that end, with
 * growing pauses if they fail. On SIGHUP it replaces all of them without refusing a connection. On
 * SIGTERM or SIGINT it stops accepting and ends them. It runs as long as it has workers.
 *
 * **A worker** is a copy of the whole master. The master's timers run in the worker too, and open
 * files are open in both. So let the master do nothing else, or end in `onWorkerStart` what only
 * the master needs (timers, other servers). prefork's own state and signals stay with the master,
 * and so do `process.on()` listeners for those signals. Code after `await master.ready` and similar
 * waits runs only in the master.
 *
 * The master's connections to other servers are open in each worker, and the workers would read
 * each other's responses: a warning reports them (`DAEMONKIT_OPEN_SOCKETS`). Workers close their
 * copies of idle connections of `fetch()` and of the global agents of http and https.
 *
 * **A worker ends** by SIGTERM, when its master asks, when the master has ended, or by
 * `worker.stop()`: its servers stop accepting; it answers pending requests, the last one of a
 * connection with `Connection: close`, the last streams of an HTTP/2 session after GOAWAY; it
 * closes silent connections after `idleTimeout`; then `onWorkerStop` runs, and the worker exits
 * with 0, after `stopTimeout` at the latest.
 *
 * @param options - see {@link PreforkOptions}.
 * @returns the master's handle: `ready`, `finished`, `reload()`, `scale()`, `upgrade()`, `stop()`, `stats()`, `pids`, `port`.
 * @throws what {@link listeningSocket} throws. `TypeError`, `RangeError` for wrong options, and in
 *   a Worker (`ERR_WORKER_UNSUPPORTED_OPERATION`). `ENOTSUP` (syscall `fork`) with the reasons of
 *   {@link forkSupport}. For `user`, `chroot` and similar options the errors of {@link
 *   becomeDaemon}, with the `step` (`rlimits`, `chroot`, `setgroups`, `setgid`, `setuid`).
 *   `onMasterError` receives errors of later forks, which are tried again.
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
