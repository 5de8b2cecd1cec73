// Finds the holder of a pidfile without taking the file.
import { closeSync, constants, fstatSync } from 'node:fs';
import { constants as os } from 'node:os';
import { absolutePath } from '../base/absolute.js';
import { type SystemError, systemError } from '../base/errors.js';
import { path as pathString } from '../base/validate.js';
import { expectSafeFile, openThere } from '../posix/trusted-open.js';
import { procIsOurs } from '../system/procfs.js';
import { type Signal, signalNumber } from '../system/signal-numbers.js';
import { startTime } from './evidence.js';
import { lockHeld, Owner } from './owner.js';
import { sameFile } from './same-file.js';
import { readPid } from './text.js';

/** The common properties of all results of {@link pidfileRead}. */
interface Told {
  /** The file, as an absolute path. */
  path: string;
  /** The state of the process that holds the file. */
  state: 'running' | 'starting' | 'stale' | 'absent' | 'unknown';
  /** Whether `state` is `running`. */
  running: boolean;
  /** The pid in the file; undefined if there is none. */
  pid: number | undefined;
  /**
   * When the process started, exact to a second; undefined if the process is not running or the
   * time is not known.
   */
  startTime: Date | undefined;
}

/** The process that the file names holds the file's lock. */
export interface PidfileRunning extends Told {
  state: 'running';
  running: true;
  pid: number;
}

/**
 * - `starting`: the file is locked, but still empty.
 * - `absent`: there is no file, or an empty, unlocked one.
 */
export interface PidfileUnnamed extends Told {
  state: 'starting' | 'absent';
  running: false;
  pid: undefined;
  startTime: undefined;
}

/**
 * - `stale`: the file is not locked; the process that wrote it has ended without removing it.
 * - `unknown`: the file is locked, but by another process than it names, or the holder is not
 *   visible.
 */
export interface PidfileUnproven extends Told {
  state: 'stale' | 'unknown';
  running: false;
  startTime: undefined;
}

/** The result of {@link pidfileRead}, by its `state`. */
export type PidfileReport = PidfileRunning | PidfileUnnamed | PidfileUnproven;

/** @internal A report, and the process if it runs. Dispose it after use. */
export interface Finding {
  report: PidfileReport;
  owner: Owner | undefined;
}

type State = PidfileReport['state'];

const { EAGAIN, ESTALE } = os.errno;

/** Keeps the owner if the state is running; otherwise disposes it. */
function finding(path: string, state: State, pid?: number, owner?: Owner): Finding {
  const running = state === 'running';
  if (!running) owner?.[Symbol.dispose]();
  const began = running && pid !== undefined ? startTime(pid) : undefined;
  const report = { path, state, running, pid, startTime: began } as PidfileReport;
  return { report, owner: running ? owner : undefined };
}

function look(path: string, fd: number): Finding {
  const file = fstatSync(fd, { bigint: true });
  expectSafeFile(file, path);
  const locked = () => lockHeld(fd, path);
  const read = readPid(fd);
  if (read === undefined) return finding(path, locked() ? 'starting' : 'absent');
  const pid = Number.isNaN(read) ? undefined : read;
  const owner = pid === undefined ? undefined : Owner.of(pid);
  if (owner?.proves(file, locked) && sameFile(fd, path))
    return finding(path, 'running', pid, owner);
  return finding(path, locked() ? 'unknown' : 'stale', pid, owner);
}

/**
 * How often to look: if a daemon starts or ends during a look, the observations do not fit
 * together.
 */
const LOOKS = 3;

/** @internal Examines a pidfile. Refuses files that other users can have put there. */
export function find(given: unknown): Finding {
  const path = absolutePath(pathString(given));
  for (let looks = 1; ; looks++) {
    const fd = openThere(path, constants.O_RDONLY);
    if (fd === undefined) return finding(path, 'absent');
    try {
      const found = look(path, fd);
      if (found.report.state !== 'unknown' || looks === LOOKS) return found;
    } finally {
      closeSync(fd);
    }
  }
}

/**
 * Returns which process holds a pidfile. Only the lock counts, not an old pid in the file that may
 * belong to another process now. The open descriptors in /proc prove that the named process holds
 * the lock. If the caller may not see these, the proof is that the file is locked and the process
 * is older than the file's content.
 *
 * To find out whether the file is locked, the call takes a shared lock for a moment. A concurrent
 * {@link Pidfile.open} tries again.
 *
 * @param path - the pidfile; a relative path starts at the working directory.
 * @returns see {@link PidfileReport}.
 * @throws `EACCES` (syscall `open`, with `path`) if the caller may not read the file; `ELOOP`,
 *   `EINVAL`, and for root `EPERM`, as {@link Pidfile.open}, because a file that others could have
 *   written proves nothing. `TypeError` for wrong arguments.
 *
 * Platform: Linux; on FreeBSD by lock and age only.
 * Source: pidfile(3), FreeBSD; pkill(1) -L; proc_pid_fdinfo(5).
 */
export function pidfileRead(path: string): PidfileReport {
  const { report, owner } = find(path);
  owner?.[Symbol.dispose]();
  return report;
}

/** @internal The error for a file whose holder is not certain. */
export function uncertain({ path, state, pid }: PidfileReport): SystemError {
  if (state === 'starting') {
    const detail = 'locked by a process that has not written its pid';
    return systemError(-EAGAIN, 'flock', { path, detail });
  }
  const named = pid === undefined ? 'names none' : `names ${pid}, which is not proven to hold it`;
  // Without /proc the descriptors and start times of other processes are not visible.
  const why =
    process.platform === 'linux' && !procIsOurs()
      ? ': /proc is missing, or belongs to another PID namespace'
      : '';
  const detail = `a process holds the pidfile, which ${named}${why}`;
  return systemError(-ESTALE, 'flock', { path, detail });
}

/**
 * Sends a signal to the process that holds a pidfile, and to no other. The call opens a descriptor
 * of the process, proves that it is the holder, as {@link pidfileRead} does, and signals it by that
 * descriptor. So a stale file or a reused pid cannot misdirect the signal.
 *
 * @param path - the pidfile; a relative path starts at the working directory.
 * @param signal - a signal's name or number; 0 only checks whether a signal can be sent.
 * @returns the pid of the process; undefined if no process holds the file.
 * @throws `EAGAIN` (syscall `flock`, with `path`) if the file is locked and empty, `ESTALE` if the
 *   holder cannot be proven; `EPERM` (syscall `pidfd_send_signal`, on FreeBSD `kill`) without
 *   permission; and the errors of pidfileRead(). `TypeError`, `RangeError` for wrong arguments.
 *
 * Platform: Linux, from 5.3 on. FreeBSD has no such descriptors: there the call uses kill(2) right
 * after the proof. Source: pidfile(3), FreeBSD; pidfd_send_signal(2), Linux.
 */
export function pidfileSignal(path: string, signal: Signal): number | undefined {
  const number = signal === 0 ? 0 : signalNumber(signal, 'signal');
  const { report, owner } = find(path);
  if (owner === undefined) {
    if (report.state === 'absent' || report.state === 'stale') return undefined;
    throw uncertain(report);
  }
  try {
    owner.signal(number);
    return owner.pid;
  } catch (error) {
    if ((error as SystemError).code === 'ESRCH') return undefined;
    throw error;
  } finally {
    owner[Symbol.dispose]();
  }
}
