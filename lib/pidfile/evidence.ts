// What the system tells of another process: when it began, and whether it holds a file's lock.
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { uptime } from 'node:os';
import { kernelText, procStat, procText } from '../system/procfs.js';

/** The file's identity, as stat(2) with bigints gives it. */
export interface FileId {
  dev: bigint;
  ino: bigint;
}

/**
 * When a process began, in clock ticks since boot: with the pid it names the process for good.
 * Field 22 of /proc/PID/stat.
 */
export function startTicks(pid: number): number | undefined {
  const stat = procStat(pid);
  return stat && Number(stat.fields[19]);
}

/** USER_HZ: what the kernel counts in towards programs, on every architecture Node runs on. */
const TICKS_PER_SECOND = 100;

/** When a process began, exact to a second; undefined if that cannot be told. */
export function startTime(pid: number): Date | undefined {
  const ticks = startTicks(pid);
  const btime = /^btime (\d+)$/m.exec(procText('stat') ?? '')?.[1];
  // On Linux ps(1) reads the same /proc, and would not notice if that is another PID namespace's.
  if (ticks === undefined) return process.platform === 'linux' ? undefined : startTimeByPs(pid);
  // Mounted with subset=pid, it has the processes and nothing besides.
  const boot = Number(btime ?? Date.now() / 1000 - uptime());
  return new Date(1000 * (boot + ticks / TICKS_PER_SECOND));
}

/** For systems without /proc: ps(1) of FreeBSD has `etimes`, the age in seconds. */
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

/** What is behind an error of looking into /proc/PID/fd: `false` is nothing, the process has gone. */
function unseen(error: unknown): false | undefined {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ESRCH' || code === 'ENOENT' ? false : undefined;
}

function descriptorHolds(pid: number, fd: string, file: FileId): boolean | undefined {
  try {
    // By the open file, not by its name, which may be of another mount namespace or root directory.
    const found = statSync(`/proc/${pid}/fd/${fd}`, { bigint: true });
    if (found.dev !== file.dev || found.ino !== file.ino) return false;
    const info = kernelText(`/proc/${pid}/fdinfo/${fd}`);
    return /^lock:.*\bFLOCK\b.*\bWRITE\b/m.test(info);
  } catch (error) {
    return unseen(error);
  }
}

/**
 * Whether a process has a file open and locked by flock(2), through that very descriptor: the lines
 * `lock:` of /proc/PID/fdinfo/FD. /proc/locks would not do: it names the process that took the lock,
 * a launcher that has long ended, and inside of a PID namespace leaves such locks out.
 *
 * @returns undefined if it is not for us to see: a process that ptrace(2) would not let us at, which
 *   root may be too that lacks CAP_SYS_PTRACE; or no /proc.
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
