/**
 * daemonkit: a real fork() for Node.js, preforked servers, daemons, and the system calls behind
 * them.
 *
 * @module daemonkit
 */
import './atload.js';

export { atFork, type ForkHooks, forkInterface } from './atfork/hooks.js';
export type { Abortable } from './base/abort.js';
export type { SystemError } from './base/errors.js';
export { type MapInForksOptions, mapInForks } from './compute/map-in-forks.js';
export {
  type ForkEnd,
  type ForkEndError,
  type RunInForkOptions,
  runInFork,
} from './compute/run-in-fork.js';
export {
  becomeDaemon,
  currentDaemon,
  type Daemon,
  type DaemonOptions,
  type EnvironmentOptions,
} from './daemon/become.js';
export { DaemonError, type DaemonStep } from './daemon/error.js';
export {
  type PlannedStep,
  type PlannedStepMet,
  type PlannedStepUnmet,
  planDaemon,
} from './daemon/plan.js';
export type { ReadyMessage } from './daemon/published.js';
export {
  type CloseInheritedOptions,
  closeInherited,
  type Descriptor,
  type DescriptorType,
  openDescriptors,
} from './descriptors/list.js';
export {
  type ForkOptions,
  type ForkSupport,
  fork,
  forkSupport,
  type QuiesceOptions,
  quiesce,
} from './fork/fork.js';
export type { ForkMessage } from './fork/published.js';
export { reapOrphans } from './fork/reap.js';
export {
  Pidfile,
  type PidfileError,
  type PidfileReport,
  type PidfileRunning,
  type PidfileUnnamed,
  type PidfileUnproven,
  pidfileRead,
  pidfileSignal,
} from './pidfile/pidfile.js';
export {
  type PidfileEnded,
  type PidfileGoesOn,
  type PidfileNobody,
  type PidfileStopOptions,
  type PidfileStopped,
  pidfileStop,
  type StopStep,
} from './pidfile/stop.js';
export { type ChrootOptions, chroot } from './posix/chroot.js';
export {
  getresgid,
  getresuid,
  type Ids,
  initgroups,
  setgroups,
  setresgid,
  setresuid,
} from './posix/credentials.js';
export {
  ignoreSignals,
  type ResetSignalsOptions,
  resetSignals,
  signalMask,
} from './posix/dispositions.js';
export { type ExecveOptions, execve } from './posix/exec.js';
export {
  type CloseRangeOptions,
  closefrom,
  closeRange,
  dup,
  dup2,
  getdtablesize,
} from './posix/fd.js';
export {
  type ListenOptions,
  type ListenPathOptions,
  type ListenPortOptions,
  listeningSocket,
} from './posix/listen.js';
export {
  getChildSubreaper,
  getParentDeathSignal,
  setChildSubreaper,
  setParentDeathSignal,
} from './posix/parentage.js';
export { pidfdOpen, pidfdSendSignal } from './posix/pidfd.js';
export {
  getrlimit,
  type Limit,
  type NewLimits,
  type Resource,
  type ResourceLimits,
  setrlimit,
} from './posix/rlimit.js';
export { getpgid, getsid, setpgid, setsid } from './posix/session.js';
export {
  _exit,
  getpid,
  getppid,
  type WaitContinued,
  type WaitEnd,
  type WaitExited,
  type WaitKilled,
  type WaitOptions,
  type WaitResult,
  type WaitStopped,
  waitpid,
  waitpidAsync,
} from './posix/wait.js';
export {
  type EndReason,
  type HungWorker,
  type LastExit,
  type PreforkMaster,
  type PreforkMasterMessage,
  type PreforkOptions,
  type PreforkProgramOptions,
  type PreforkServerOptions,
  type PreforkStats,
  type PreforkWorker,
  type PreforkWorkerMessage,
  prefork,
  type RecycleReason,
  type ReloadOptions,
  type RespawnOptions,
  type UpgradeError,
  type UpgradeOptions,
  type UpgradeProgram,
  type UpgradeStep,
  type WorkerExit,
  type WorkerExited,
  type WorkerGone,
  type WorkerKilled,
  type WorkerStats,
} from './prefork/prefork.js';
export { type DropOptions, dropPrivileges } from './privileges/drop.js';
export { type ListenFd, type ListenFdsOptions, listenFds } from './service/listenfds.js';
export {
  type FdStore,
  type NotifyBarrierOptions,
  type NotifyOptions,
  type NotifyState,
  notify,
  notifyBarrier,
  startWatchdog,
  type WatchdogOptions,
  watchdogInterval,
} from './service/notify.js';
export { type Supervisor, supervisor } from './service/supervisor.js';
export { SignalFlag } from './signal/flag.js';
export type { SignalEvent, SignalMessage } from './signal/published.js';
export {
  type Redirection,
  type RedirectOptions,
  redirect,
  redirectToNull,
} from './stdio/redirect.js';
export type { RealTimeSignal, Signal, SignalName } from './system/signal-numbers.js';
