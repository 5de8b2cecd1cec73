// What the benchmarks share.
import { readFileSync } from 'node:fs';

export const median = (values: number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;

/** A sum of fields of /proc/PID/smaps_rollup, in MB. */
export function memory(pid: number, ...fields: string[]): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kiB = (field: string) => Number(new RegExp(`^${field}:\\s*(\\d+)`, 'm').exec(text)?.[1]);
  return fields.reduce((sum, field) => sum + kiB(field), 0) / 1024;
}

/** The memory that a process shares with nobody, in MB. */
export const privateMemory = (pid: number) => memory(pid, 'Private_Clean', 'Private_Dirty');
