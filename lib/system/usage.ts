// A process's use of processors and memory, from Linux's /proc; undefined on other systems.
import { openSync } from 'node:fs';
import { availableParallelism, uptime } from 'node:os';
import { dirname, join } from 'node:path';
import { kernelText, procStat, procText, textOf } from './procfs.js';

/** The progress of a process's main thread; times in milliseconds since its start. */
export interface Progress {
  /** proc_pid_stat(5): R runs or waits for a processor, S and D wait, T and t are stopped. */
  state: string;
  /** The time on a processor. */
  ran: number;
  /** The time runnable, but waiting for a processor. */
  waited: number;
}

const NS_PER_MS = 1e6;

/** Clock ticks of proc_pid_stat(5): USER_HZ, which is 100 on every processor that Node supports. */
const MS_PER_TICK = 10;

/** utime and stime, counted from the field `state`. */
const CPU_FIELDS = [11, 12];

export function progressOf(pid: number): Progress | undefined {
  const stat = procStat(pid);
  if (stat === undefined) return undefined;
  const { fields } = stat;
  const [state = ''] = fields;
  // Without CONFIG_SCHED_INFO, and in gVisor, the file is missing or all zeros.
  const [ran = 0, waited = 0] = (procText(`${pid}/schedstat`) ?? '').split(' ').map(Number);
  if (ran > 0) return { state, ran: ran / NS_PER_MS, waited: waited / NS_PER_MS };
  const ticks = CPU_FIELDS.reduce((sum, at) => sum + Number(fields[at]), 0);
  return { state, ran: ticks * MS_PER_TICK, waited: 0 };
}

/** starttime, counted from the field `state`. */
const START_FIELD = 19;

/** Milliseconds since a process started. */
export function ageOf(pid: number): number | undefined {
  const ticks = Number(procStat(pid)?.fields[START_FIELD]);
  // Not /proc/uptime, which is missing with subset=pid.
  const up = uptime();
  const age = Math.round(1000 * up - MS_PER_TICK * ticks);
  return Number.isNaN(age) ? undefined : Math.max(0, age);
}

/**
 * Whether a process is stopped from outside: by a debugger that traces it (ptrace(2)), or by a
 * cgroup freezer. The freezer shows only in the kernel function where the process waits, and only
 * to users who may trace it.
 */
export function isHeldUp(pid: number): boolean {
  const tracer = /^TracerPid:\s*(\d+)$/m.exec(procText(`${pid}/status`) ?? '')?.[1];
  return (tracer ?? '0') !== '0' || /freez|refrigerator/.test(procText(`${pid}/wchan`) ?? '');
}

/**
 * The number of processors that a cgroup's cpu.max allows: `200000 100000` is two, `max 100000` no
 * limit.
 */
function quotaOf(folder: string): number {
  try {
    const [quota, period] = kernelText(join(folder, 'cpu.max')).split(' ').map(Number);
    return Number(quota) > 0 && Number(period) > 0 ? Number(quota) / Number(period) : Infinity;
  } catch {
    return Infinity; // the root cgroup has no such file; cgroups version 1
  }
}

const CGROUPS = '/sys/fs/cgroup';

/**
 * How many processors this process may use at a time: those of its affinity, limited by its cgroup
 * of version 2 and those above it, cgroups(7). libuv respects cgroups only since 1.49.
 */
export function processors(): number {
  const [, own = '/'] = /^0::(.*)$/m.exec(procText('self/cgroup') ?? '') ?? [];
  let least = availableParallelism();
  for (let at = join(CGROUPS, own); at.startsWith(CGROUPS); at = dirname(at)) {
    least = Math.min(least, quotaOf(at));
  }
  return least;
}

/** Memory in bytes. */
export interface Memory {
  /** Private pages, which are freed when the process ends. */
  privateBytes: number;
  /** The same plus the proportional part of each shared page. */
  pss: number;
}

/**
 * Reads smaps_rollup of proc_pid_smaps(5), from Linux 4.14 on, if this process may trace the other
 * one. The kernel walks all pages, which takes some milliseconds for a gigabyte; during that time
 * the process cannot map memory.
 */
export function memoryOf(pid: number): Memory | undefined {
  return memoryIn(procText(`${pid}/smaps_rollup`));
}

function memoryIn(text: string | undefined): Memory | undefined {
  // Empty for a process that has ended.
  if (text === undefined || !text.includes('Pss:')) return undefined;
  const bytes = (name: string) =>
    1024 * Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0);
  return { privateBytes: bytes('Private_Clean') + bytes('Private_Dirty'), pss: bytes('Pss') };
}

/**
 * Lets a process read its own memory use. The open file works even after a change of user or root
 * directory, when other processes may not read it any more (for example in a container without
 * CAP_SYS_PTRACE).
 */
export function scales(): () => Memory | undefined {
  try {
    const fd = openSync('/proc/self/smaps_rollup', 'r');
    return () => memoryIn(textOf(fd));
  } catch {
    return () => undefined; // as memoryOf()
  }
}
