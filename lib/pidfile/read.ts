// Who holds a pidfile, for those who do not want it for themselves.
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

/** What all results of {@link pidfileRead} have. */
interface Told {
  /** The file, as an absolute path. */
  path: string;
  /** What is known of the process that it means. */
  state: 'running' | 'starting' | 'stale' | 'absent' | 'unknown';
  /** Whether `state` is `running`. */
  running: boolean;
  /** The number in the file; undefined if there is none. */
  pid: number | undefined;
  /** When the process began, exact to a second; undefined unless it is running, or not known. */
  startTime: Date | undefined;
}

/** The process that the file names holds its lock. */
export interface PidfileRunning extends Told {
  state: 'running';
  running: true;
  pid: number;
}

/**
 * - `starting`: the file is locked, and nothing is written in it yet.
 * - `absent`: there is no file, or an empty one that is not locked.
 */
export interface PidfileUnnamed extends Told {
  state: 'starting' | 'absent';
  running: false;
  pid: undefined;
  startTime: undefined;
}

/**
 * - `stale`: the lock is free; the process that wrote the file has ended without removing it.
 * - `unknown`: the file is locked, but by another process than the one it names, or it cannot be
 *   seen by which.
 */
export interface PidfileUnproven extends Told {
  state: 'stale' | 'unknown';
  running: false;
  startTime: undefined;
}

/** The result of {@link pidfileRead}, by its `state`. */
export type PidfileReport = PidfileRunning | PidfileUnnamed | PidfileUnproven;

/** @internal A report, and the process if it runs; to be disposed. */
export interface Finding {
  report: PidfileReport;
  owner: Owner | undefined;
}

type State = PidfileReport['state'];

const { EAGAIN, ESTALE } = os.errno;

/** Keeps the owner of a running one, and lets go of it otherwise. */
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

/** A daemon may start or end while we look, and things not fit together: so look again. */
const LOOKS = 3;

/** @internal Looks at a pidfile that others cannot have put there. */
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
 * Returns which process holds a pidfile. It is the lock that counts: a number that is left in the file, and by
 * now is another process's, does not count. Of the process that the file names it is proven that it holds
 * the lock, by its open descriptors in /proc; where these are not for the caller to see, by the file
 * being locked, and the process being older than what is in the file.
 *
 * Whether the lock is free is found out by taking it for a moment, shared; a
 * {@link Pidfile.open} that meets this tries again.
 *
 * @param path - the pidfile; a relative path starts at the working directory.
 * @returns see {@link PidfileReport}.
 * @throws `EACCES` (syscall `open`, with `path`) if it may not be read, `ELOOP`, `EINVAL` and to root
 *   `EPERM` as {@link Pidfile.open}: a file that others could have written proves nothing. `TypeError` for
 *   wrong arguments.
 *
 * Platform: Linux; on FreeBSD by lock and age only.
 * Source: pidfile(3), FreeBSD; pkill(1) -L; proc_pid_fdinfo(5).
 */
export function pidfileRead(path: string): PidfileReport {
  const { report, owner } = find(path);
  owner?.[Symbol.dispose]();
  return report;
}

/** @internal The error for a file of which it is not certain whom it means. */
export function uncertain({ path, state, pid }: PidfileReport): SystemError {
  if (state === 'starting') {
    const detail = 'locked by a process that has not written its pid';
    return systemError(-EAGAIN, 'flock', { path, detail });
  }
  const named = pid === undefined ? 'names none' : `names ${pid}, which is not proven to hold it`;
  // Without it nobody else's descriptors can be looked at, and no time of a start.
  const why =
    process.platform === 'linux' && !procIsOurs()
      ? ': /proc is missing, or of another PID namespace'
      : '';
  const detail = `a process holds the pidfile, which ${named}${why}`;
  return systemError(-ESTALE, 'flock', { path, detail });
}

/**
 * Signals the process that holds a pidfile, and no other: it is proven to be the one, as by
 * {@link pidfileRead}, while a descriptor of it is open, and signalled by that descriptor. Neither a
 * file that was left behind nor a number that came to another process can be hit.
 *
 * @param path - the pidfile; a relative path starts at the working directory.
 * @param signal - a signal's name or number; 0 only asks whether a signal could be sent.
 * @returns the pid of the process; undefined if none runs.
 * @throws `EAGAIN` (syscall `flock`, with `path`) if the file is locked and empty, `ESTALE` if it is
 *   not proven which process it means; `EPERM` (syscall `pidfd_send_signal`, on FreeBSD `kill`) without
 *   permission; and what pidfileRead() throws. `TypeError`, `RangeError` for wrong arguments.
 *
 * Platform: Linux, from 5.3 on. FreeBSD has no such descriptors: there it is kill(2), right after
 * the proof.
 * Source: pidfile(3), FreeBSD; pidfd_send_signal(2), Linux.
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
