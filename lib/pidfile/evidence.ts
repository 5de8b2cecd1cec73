// What the system reports about another process: its start time, and whether it holds a file's
// lock.
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { uptime } from 'node:os';
import { kernelText, procStat, procText } from '../system/procfs.js';

/** The file's identity, as stat(2) returns it with bigints. */
export interface FileId {
  dev: bigint;
  ino: bigint;
}

/**
 * When a process started, in clock ticks since boot. With the pid it identifies the process. Field
 * 22 of /proc/PID/stat.
 */
export function startTicks(pid: number): number | undefined {
  const stat = procStat(pid);
  return stat && Number(stat.fields[19]);
}

/** USER_HZ: the unit of the kernel's interfaces, on every architecture that Node supports. */
const TICKS_PER_SECOND = 100;

/** When a process started, exact to a second; undefined if that is not known. */
export function startTime(pid: number): Date | undefined {
  const ticks = startTicks(pid);
  const btime = /^btime (\d+)$/m.exec(procText('stat') ?? '')?.[1];
  // On Linux ps(1) reads the same /proc, and does not notice if that belongs to another PID
  // namespace.
  if (ticks === undefined) return process.platform === 'linux' ? undefined : startTimeByPs(pid);
  // With the mount option subset=pid, /proc has only the processes.
  const boot = Number(btime ?? Date.now() / 1000 - uptime());
  return new Date(1000 * (boot + ticks / TICKS_PER_SECOND));
}

/** For systems without /proc: FreeBSD's ps(1) has `etimes`, the age in seconds. */
function startTimeByPs(pid: number): Date | undefined {
  try {
    const age = execFileSync('ps', ['-o', 'etimes=', '-p', `${pid}`], {
      stdio: ['ignore', 'pipe', 'ignore'],
      encoding: 'latin1',
    });
    return new Date(Date.now() - 1000 * Number(age));
  } catch {
    return undefined;
  }
}

/** Judges an error from /proc/PID/fd: false if the process has ended. */
function unseen(error: unknown): false | undefined {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ESRCH' || code === 'ENOENT' ? false : undefined;
}

function descriptorHolds(pid: number, fd: string, file: FileId): boolean | undefined {
  try {
    // Compares the open file, not its name, which may refer to another mount namespace or root
    // directory.
    const found = statSync(`/proc/${pid}/fd/${fd}`, { bigint: true });
    if (found.dev !== file.dev || found.ino !== file.ino) return false;
    const info = kernelText(`/proc/${pid}/fdinfo/${fd}`);
    return /^lock:.*\bFLOCK\b.*\bWRITE\b/m.test(info);
  } catch (error) {
    return unseen(error);
  }
}

/**
 * Whether a process has a file open and holds its flock(2) lock through that descriptor: the lines
 * `lock:` of /proc/PID/fdinfo/FD. /proc/locks is not sufficient: it names the process that took the
 * lock, which is a launcher that has ended, and inside of a PID namespace it omits such locks.
 *
 * @returns undefined if it is not visible: there is no /proc, or ptrace(2) access to the process is
 *   denied, which also happens to root without CAP_SYS_PTRACE.
 */
export function holdsLock(pid: number, file: FileId): boolean | undefined {
  if (startTicks(pid) === undefined) return undefined;
  try {
    const seen = readdirSync(`/proc/${pid}/fd`).map((fd) => descriptorHolds(pid, fd, file));
    if (seen.includes(true)) return true;
    return seen.includes(undefined) ? undefined : false;
  } catch (error) {
    return unseen(error);
  }
}
