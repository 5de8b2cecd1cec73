// Finds the supervisor of this process: systemd, s6, runit, a container's first process.
import { fstatSync } from 'node:fs';
import { noSystem } from '../addon/host.js';
import { native } from '../addon/native.js';
import { meantForUs } from '../system/listen-environment.js';
import { procStat } from '../system/procfs.js';

/** The supervisor of this process, and the evidence; see {@link supervisor}. */
export interface Supervisor {
  /** The supervisor's name. `init` is the first process of a container or of the machine. */
  name: 'systemd' | 's6' | 'runit' | 'daemontools' | 'openrc' | 'other' | 'init';
  /** The evidence, as text. */
  reason: string;
}

type Evidence = () => Supervisor | null;

const found = (name: Supervisor['name'], reason: string): Supervisor => ({ name, reason });

/** Names of parents. The kernel keeps 15 characters. */
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

/** A unit with PIDFile= has Type=forking, where systemd waits for the launcher to exit. */
const mustFork = () => env('PIDFILE') !== undefined;

function sockets(): Supervisor | null {
  return meantForUs() ? found('systemd', 'LISTEN_PID is this process') : null;
}

/**
 * Shells of a user session inherit the variable from their terminal's unit; the pid distinguishes
 * them.
 */
function executed(): Supervisor | null {
  if (Number(env('SYSTEMD_EXEC_PID')) !== process.pid) return null;
  return found('systemd', 'SYSTEMD_EXEC_PID is this process');
}

/** systemd before 248 has no SYSTEMD_EXEC_PID. */
function invoked(): Supervisor | null {
  if (env('INVOCATION_ID') === undefined || native.getppid() !== 1) return null;
  return found('systemd', 'INVOCATION_ID is set, and the parent is process 1');
}

/** For processes that systemd has not started directly: by npm and shell scripts in ExecStart=. */
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
  // None where /proc does not show it: FreeBSD, a chroot, a parent outside of the PID namespace.
  const name = procStat(native.getppid())?.name ?? '';
  const known = PARENTS.find(([pattern]) => pattern.test(name));
  return known === undefined ? null : found(known[1], `the parent process is ${name}`);
}

/**
 * A child of process 1 was either started by it or is an orphan. init, tini and dumb-init start
 * their child in a new session or in their own; an orphan is in the session of its shell.
 *
 * A parent outside of the PID namespace (getppid() is 0) is docker exec, kubectl exec or nsenter,
 * which only put this process into the container. The supervisor of a container starts its process
 * 1, the first process of the namespace: pid_namespaces(7).
 */
function first(): Supervisor | null {
  const [pid, ppid] = [native.getpid(), native.getppid()];
  if (pid === 1) return found('init', 'this is process 1');
  if (ppid !== 1) return null;
  const own = native.getsid(0);
  if (own !== pid && own !== native.getsid(1)) return null;
  return found('init', 'process 1 has started this process');
}

/** Whether the manager can follow another main process, by MAINPID or PIDFile=. */
const canFollow = () => env('NOTIFY_SOCKET') !== undefined || mustFork();

/** The supervisor that identifies the service only by this process. */
function holding(): Supervisor | null {
  // First, whatever the other evidence is: the kernel kills all other processes of the namespace
  // with process 1.
  if (native.getpid() === 1) return first();
  // These supervisors have no other way.
  const found = parent();
  if (found !== null || canFollow()) return found;
  return executed() ?? invoked() ?? journal() ?? first();
}

let holder: { pid: number; supervisor: Supervisor | null } | undefined;

/**
 * Runs when the package is loaded, because later an orphan may look like a child that process 1 has
 * started.
 */
export function recordHolder(): void {
  holder = { pid: process.pid, supervisor: holding() };
}

/**
 * @internal The reason why another process cannot replace this one: its supervisor takes the end of
 * this process for the end of the service, and then ends or restarts the service. Undefined if
 * there is no such supervisor. A supervisor does not know forks of this process.
 */
export function heldBy(): string | undefined {
  if (holder === undefined || holder.pid !== process.pid || holder.supervisor === null) return;
  const { name, reason } = holder.supervisor;
  if (native.getpid() === 1) {
    return 'process 1 cannot be replaced by another process: all others end with it';
  }
  const how =
    name === 'systemd' ? '; with Type=notify the service can move to another process' : '';
  return `${reason}, so the supervisor would take the end of this process for the end of the service${how}`;
}

/** The most certain evidence first. */
const EVIDENCE: readonly Evidence[] = [
  notifySocket,
  sockets,
  () => (mustFork() ? null : (executed() ?? invoked() ?? journal())),
  parent,
  () => (mustFork() ? null : first()),
];

/**
 * Returns the supervisor that would take this process for ended if it went to the background.
 * `becomeDaemon({ detach: 'auto' })` uses this. The first evidence that is true counts:
 *
 * 1. NOTIFY_SOCKET is set: a manager waits for {@link notify};
 * 2. LISTEN_PID is this process: it has received sockets, see {@link listenFds};
 * 3. SYSTEMD_EXEC_PID is this process; or INVOCATION_ID is set and the parent is process 1 (systemd
 *    before 248); or JOURNAL_STREAM identifies standard error. INVOCATION_ID alone proves nothing,
 *    because the shells of a user session inherit it. None of these counts if PIDFILE is set, as
 *    systemd does for a unit with `PIDFile=`: with Type=forking it waits for the launcher to exit;
 * 4. the parent is called s6-supervise, runsv, supervise, supervise-daemon, supervisord, perpd, dinit or `PM2 v...`;
 * 5. this is process 1; or process 1 has started it (it is not an orphan: it is in its own session,
 *    or in that of process 1).
 *
 * A process that enters a container from outside (`docker exec`, `kubectl exec`, `nsenter`) is not
 * supervised, unless 1, 2, 3 or 4 is true: its parent, which has the pid 0 there, only waits for
 * its end.
 *
 * systemd's Type=forking without `PIDFile=` looks like Type=simple: `detach: true` is needed there.
 *
 * @returns name and reason, or null if no supervisor is known.
 * @throws nothing; evidence that cannot be read does not count.
 *
 * Linux. FreeBSD: 1, 2 and 5, because there is no /proc/PID/stat; daemon(8) is not detected.
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
