// What a process uses of the processors and of memory, as Linux's /proc tells it; nothing elsewhere.
import { procStat, procText } from './procfs.js';

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
  const up = Number.parseFloat(procText('uptime') ?? '');
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

/** Bytes. */
export interface Memory {
  /** What goes with the process: pages that it shares with nobody. */
  privateBytes: number;
  /** The same, and of each shared page the part that falls to one of those who have it. */
  pss: number;
}

/**
 * smaps_rollup of proc_pid_smaps(5), from Linux 4.14 on, for those who may trace the process. The kernel
 * walks all pages of it: some milliseconds for a gigabyte, in which the process can map no memory.
 */
export function memoryOf(pid: number): Memory | undefined {
  const text = procText(`${pid}/smaps_rollup`);
  // Empty for a process that has ended.
  if (text === undefined || !text.includes('Pss:')) return undefined;
  const bytes = (name: string) =>
    1024 * Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0);
  return { privateBytes: bytes('Private_Clean') + bytes('Private_Dirty'), pss: bytes('Pss') };
}
