// Who watches this process, if anybody: systemd, s6, runit, a container's first process.
import { fstatSync } from 'node:fs';
import { noSystem } from '../addon/host.js';
import { native } from '../addon/native.js';
import { meantForUs } from '../system/listen-environment.js';
import { procStat } from '../system/procfs.js';

/** What supervises this process, and the evidence; see {@link supervisor}. */
export interface Supervisor {
  /** `init` is the first process of a container or of the machine. */
  name: 'systemd' | 's6' | 'runit' | 'daemontools' | 'openrc' | 'other' | 'init';
  /** The evidence, in words. */
  reason: string;
}

type Evidence = () => Supervisor | null;

const found = (name: Supervisor['name'], reason: string): Supervisor => ({ name, reason });

/** By the parent's name, of which the kernel keeps 15 characters. */
const PARENTS: readonly (readonly [name: RegExp, supervisor: Supervisor['name']])[] = [
  [/^s6-supervise$/, 's6'],
  [/^runsv$/, 'runit'],
  [/^supervise$/, 'daemontools'],
  [/^supervise-daemo/, 'openrc'],
  [/^(supervisord|perpd|dinit)$/, 'other'],
  [/^PM2 v/, 'other'],
];

const env = (name: string): string | undefined => process.env[name] || undefined;

function notifySocket(): Supervisor | null {
  return env('NOTIFY_SOCKET') === undefined ? null : found('systemd', 'NOTIFY_SOCKET is set');
}

/** A unit's PIDFile= is for Type=forking: there systemd waits for the launcher to exit. */
const mustFork = () => env('PIDFILE') !== undefined;

function sockets(): Supervisor | null {
  return meantForUs() ? found('systemd', 'LISTEN_PID is this process') : null;
}

/** Shells of a user session inherit the variable from their terminal's unit: the pid tells. */
function executed(): Supervisor | null {
  if (Number(env('SYSTEMD_EXEC_PID')) !== process.pid) return null;
  return found('systemd', 'SYSTEMD_EXEC_PID is this process');
}

/** systemd before 248 has no SYSTEMD_EXEC_PID. */
function invoked(): Supervisor | null {
  if (env('INVOCATION_ID') === undefined || native.getppid() !== 1) return null;
  return found('systemd', 'INVOCATION_ID is set, and the parent is process 1');
}

/** For what systemd has not started itself: npm and shell scripts in ExecStart=. */
function journal(): Supervisor | null {
  const [device, inode] = env('JOURNAL_STREAM')?.split(':') ?? [];
  if (inode === undefined) return null;
  try {
    const { dev, ino } = fstatSync(2, { bigint: true });
    if (`${dev}:${ino}` !== `${device}:${inode}`) return null;
  } catch {
    return null; // no standard error
  }
  return found('systemd', 'standard error is the stream of the journal (JOURNAL_STREAM)');
}

function parent(): Supervisor | null {
  // None where /proc does not tell: FreeBSD, a chroot, a parent outside of the PID namespace.
  const name = procStat(native.getppid())?.name ?? '';
  const known = PARENTS.find(([pattern]) => pattern.test(name));
  return known === undefined ? null : found(known[1], `the parent process is ${name}`);
}

/**
 * A child of process 1 is either its own or an orphan. init, tini and dumb-init give their child a
 * session of its own or leave it in theirs; an orphan is in that of the shell it comes from.
 *
 * A parent outside of the PID namespace (getppid() is 0) has only sent this process in, as docker exec,
 * kubectl exec and nsenter do: whoever watches a container starts its process 1, as the first process
 * of a namespace always is: pid_namespaces(7).
 */
function first(): Supervisor | null {
  const [pid, ppid] = [native.getpid(), native.getppid()];
  if (pid === 1) return found('init', 'this is process 1');
  if (ppid !== 1) return null;
  const own = native.getsid(0);
  if (own !== pid && own !== native.getsid(1)) return null;
  return found('init', 'process 1 has started this process');
}

/** A manager that is told of another main process (MAINPID), or finds it by its PIDFile=. */
const canFollow = () => env('NOTIFY_SOCKET') !== undefined || mustFork();

/** Who knows the service by this process alone. */
function holding(): Supervisor | null {
  // Whoever listens: the kernel ends all the others with it.
  if (native.getpid() === 1) return first();
  // These have no other way.
  const found = parent();
  if (found !== null || canFollow()) return found;
  return executed() ?? invoked() ?? journal() ?? first();
}

let holder: { pid: number; supervisor: Supervisor | null } | undefined;

/** When the package is loaded: an orphan looks like process 1's own, sooner or later. */
export function recordHolder(): void {
  holder = { pid: process.pid, supervisor: holding() };
}

/**
 * @internal Why another process cannot take this one's place, in words: who watches takes the end of this process for
 * the end of the service, and ends or starts it again. Undefined if nobody does. Of a fork the supervisor knows nothing.
 */
export function heldBy(): string | undefined {
  if (holder === undefined || holder.pid !== process.pid || holder.supervisor === null) return;
  const { name, reason } = holder.supervisor;
  if (native.getpid() === 1) {
    return 'process 1 cannot leave its place to another process: all others end with it';
  }
  const how =
    name === 'systemd' ? '; with Type=notify the service can move to another process' : '';
  return `${reason}, and its end would be taken for the end of the service${how}`;
}

/** The surest first. */
const EVIDENCE: readonly Evidence[] = [
  notifySocket,
  sockets,
  () => (mustFork() ? null : (executed() ?? invoked() ?? journal())),
  parent,
  () => (mustFork() ? null : first()),
];

/**
 * Returns what supervises this process and would take it for ended if it went to the background. `becomeDaemon({
 * detach: 'auto' })` decides by this. The evidence, the first that holds:
 *
 * 1. NOTIFY_SOCKET is set: a manager waits for {@link notify};
 * 2. LISTEN_PID is this process: it was given sockets, see {@link listenFds};
 * 3. SYSTEMD_EXEC_PID is this process; or INVOCATION_ID is set and the parent is process 1 (systemd before 248); or
 *    JOURNAL_STREAM is what standard error leads to. INVOCATION_ID alone proves nothing: the shells of a user session
 *    inherit it. None of these counts when PIDFILE is set, as systemd does for a unit with `PIDFile=`: Type=forking
 *    waits for the launcher to exit;
 * 4. the parent is called s6-supervise, runsv, supervise, supervise-daemon, supervisord, perpd, dinit or `PM2 v...`;
 * 5. this is process 1; or process 1 has started it (it is no orphan: it is in a session of its own, or in that of
 *    process 1).
 *
 * A process that enters a container from outside (`docker exec`, `kubectl exec`, `nsenter`) is not supervised, unless
 * one of 1 to 4 holds: its parent, which has the number 0 there, only waits for its end.
 *
 * systemd's Type=forking without `PIDFile=` looks like Type=simple: `detach: true` is needed there.
 *
 * @returns name and reason, or null if no supervisor is known.
 * @throws nothing: evidence that cannot be read does not count.
 *
 * Linux. FreeBSD: 1, 2 and 5, as there is no /proc/PID/stat; daemon(8) is not seen.
 *
 * Source: systemd.exec(5), "Environment Variables Set or Propagated by the Service Manager"; sd_notify(3);
 * sd_listen_fds(3); s6-supervise(8), runsv(8).
 */
export function supervisor(): Supervisor | null {
  if (noSystem !== undefined) return null;
  for (const evidence of EVIDENCE) {
    const supervisor = evidence();
    if (supervisor !== null) return supervisor;
  }
  return null;
}
