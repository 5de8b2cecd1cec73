// What a process uses of the processors and of memory, as Linux's /proc tells it; nothing elsewhere.
import { openSync } from 'node:fs';
import { availableParallelism, uptime } from 'node:os';
import { dirname, join } from 'node:path';
import { kernelText, procStat, procText, textOf } from './procfs.js';

/** How far the main thread of a process has come; times in milliseconds since it began. */
export interface Progress {
  /** proc_pid_stat(5): R runs or waits for a processor, S and D wait, T and t are stopped. */
  state: string;
  /** On a processor. */
  ran: number;
  /** Runnable, and waiting for a processor. */
  waited: number;
}

const NS_PER_MS = 1e6;

/** Clock ticks of proc_pid_stat(5): USER_HZ, which is 100 on every processor that Node runs on. */
const MS_PER_TICK = 10;

/** utime and stime, counted from the field `state`. */
const CPU_FIELDS = [11, 12];

export function progressOf(pid: number): Progress | undefined {
  const stat = procStat(pid);
  if (stat === undefined) return undefined;
  const { fields } = stat;
  const [state = ''] = fields;
  // Without CONFIG_SCHED_INFO, and in gVisor, it is not there, or all zeros.
  const [ran = 0, waited = 0] = (procText(`${pid}/schedstat`) ?? '').split(' ').map(Number);
  if (ran > 0) return { state, ran: ran / NS_PER_MS, waited: waited / NS_PER_MS };
  const ticks = CPU_FIELDS.reduce((sum, at) => sum + Number(fields[at]), 0);
  return { state, ran: ticks * MS_PER_TICK, waited: 0 };
}

/** starttime, counted from the field `state`. */
const START_FIELD = 19;

/** Milliseconds since a process began. */
export function ageOf(pid: number): number | undefined {
  const ticks = Number(procStat(pid)?.fields[START_FIELD]);
  // Not /proc/uptime itself: with subset=pid there is none.
  const up = uptime();
  const age = Math.round(1000 * up - MS_PER_TICK * ticks);
  return Number.isNaN(age) ? undefined : Math.max(0, age);
}

/**
 * Whether somebody holds a process up from outside: a debugger that traces it (ptrace(2)), or a freezer of
 * cgroups, which shows only in what the kernel has it wait in, and only to those who may trace it.
 */
export function isHeldUp(pid: number): boolean {
  const tracer = /^TracerPid:\s*(\d+)$/m.exec(procText(`${pid}/status`) ?? '')?.[1];
  return (tracer ?? '0') !== '0' || /freez|refrigerator/.test(procText(`${pid}/wchan`) ?? '');
}

/** Processors' time per time, by a cgroup's cpu.max: `200000 100000` is two, `max 100000` no limit. */
function quotaOf(folder: string): number {
  try {
    const [quota, period] = kernelText(join(folder, 'cpu.max')).split(' ').map(Number);
    return Number(quota) > 0 && Number(period) > 0 ? Number(quota) / Number(period) : Infinity;
  } catch {
    return Infinity; // the root has none; cgroups of version 1
  }
}

const CGROUPS = '/sys/fs/cgroup';

/**
 * How many processors this process may use at a time: those it may run on, and what cgroups(7) of version 2,
 * its own and those above, leave of them. libuv looks at these only since 1.49.
 */
export function processors(): number {
  const [, own = '/'] = /^0::(.*)$/m.exec(procText('self/cgroup') ?? '') ?? [];
  let least = availableParallelism();
  for (let at = join(CGROUPS, own); at.startsWith(CGROUPS); at = dirname(at)) {
    least = Math.min(least, quotaOf(at));
  }
  return least;
}

/** Bytes. */
export interface Memory {
  /** What goes with the process: pages that it does not share. */
  privateBytes: number;
  /** The same, and of each shared page the part that falls to one of those who have it. */
  pss: number;
}

/**
 * smaps_rollup of proc_pid_smaps(5), from Linux 4.14 on, for those who may trace the process. The kernel
 * walks all pages of it: some milliseconds for a gigabyte, in which the process can map no memory.
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
 * A process's scales for itself: nobody is kept from his own, whoever he becomes and whatever root directory he moves
 * to, while others may be (a change of user, a container without CAP_SYS_PTRACE).
 */
export function scales(): () => Memory | undefined {
  try {
    const fd = openSync('/proc/self/smaps_rollup', 'r');
    return () => memoryIn(textOf(fd));
  } catch {
    return () => undefined; // as memoryOf()
  }
}
