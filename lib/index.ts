/** daemonkit: real fork(), sessions, signal flags and daemons for Node.js. */
export { type ListenFd, type ListenFdsOptions, listenFds } from './activation.js';
export { atFork, type ForkHooks, forkInterface } from './atfork.js';
export { type ChrootOptions, chroot } from './chroot.js';
export {
  getresgid,
  getresuid,
  type Ids,
  initgroups,
  setgroups,
  setresgid,
  setresuid,
} from './credentials.js';
export {
  becomeDaemon,
  currentDaemon,
  type Daemon,
  type DaemonOptions,
  type DryRunOptions,
  type EnvironmentOptions,
  type PlannedStep,
  type StepProcess,
} from './daemon.js';
export {
  type CloseInheritedOptions,
  closeInherited,
  type Descriptor,
  type DescriptorType,
  openDescriptors,
} from './descriptors.js';
export type { ForkMessage, ReadyMessage, SignalMessage } from './diagnostics.js';
export {
  ignoreSignals,
  type ResetSignalsOptions,
  resetSignals,
  signalMask,
} from './dispositions.js';
export type { SystemError } from './errors.js';
export { type CloseRangeOptions, closefrom, closeRange, dup, dup2, getdtablesize } from './fd.js';
export {
  type ForkOptions,
  type ForkSupport,
  fork,
  forkSupport,
  type QuiesceOptions,
  quiesce,
} from './fork.js';
export { type ListenOptions, listeningSocket } from './listen.js';
export {
  type FdStore,
  type NotifyBarrierOptions,
  type NotifyOptions,
  type NotifyState,
  notify,
  notifyBarrier,
  startWatchdog,
  type WatchdogOptions,
  watchdogEnabled,
} from './notify.js';
export {
  getChildSubreaper,
  getParentDeathSignal,
  setChildSubreaper,
  setParentDeathSignal,
} from './parentage.js';
export { pidfdOpen, pidfdSendSignal } from './pidfd.js';
export {
  Pidfile,
  type PidfileError,
  type PidfileReport,
  type PidfileState,
  pidfileRead,
  pidfileSignal,
} from './pidfile.js';
export {
  type PreforkMaster,
  type PreforkOptions,
  type PreforkWorker,
  prefork,
  type RespawnOptions,
  type WorkerExit,
} from './prefork.js';
export { type DropOptions, dropPrivileges } from './privileges.js';
export {
  _exit,
  getpid,
  getppid,
  type WaitOptions,
  type WaitResult,
  waitpid,
  waitpidAsync,
} from './process.js';
export { reapOrphans } from './reap.js';
export {
  type Redirection,
  type RedirectOptions,
  redirect,
  redirectToNull,
} from './redirect.js';
export {
  getrlimit,
  type Limit,
  type Resource,
  type ResourceLimits,
  setrlimit,
} from './rlimit.js';
export { getpgid, getsid, setpgid, setsid } from './session.js';
export type { SignalEvent } from './signal/records.js';
export { SignalFlag } from './signal.js';
export { type Supervisor, supervisor } from './supervisor.js';
