// Common functions of the benchmarks.
import { readFileSync } from 'node:fs';

export const median = (values: number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;

/** A sum of fields of /proc/PID/smaps_rollup, in MB. */
export function memory(pid: number, ...fields: string[]): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kiB = (field: string) => Number(new RegExp(`^${field}:\\s*(\\d+)`, 'm').exec(text)?.[1]);
  return fields.reduce((sum, field) => sum + kiB(field), 0) / 1024;
}

/** The private memory of a process, in MB. */
export const privateMemory = (pid: number) => memory(pid, 'Private_Clean', 'Private_Dirty');

/** Fills the heap up to so many megabytes with live objects. */
export function fill(megabytes: number, heap: object[][] = []): object[][] {
  while (process.memoryUsage().heapUsed < megabytes * 2 ** 20) {
    heap.push(Array.from({ length: 10_000 }, (_, i) => ({ i, text: `${i}` })));
  }
  return heap;
}

/** Prints rows with the same columns as a Markdown table: figures to the right. */
export function printTable(rows: readonly Record<string, string | number>[]): void {
  const columns = Object.keys(rows[0] ?? {});
  const cells = [columns, ...rows.map((row) => columns.map((column) => `${row[column]}`))];
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => line[i]?.length ?? 0)));
  const print = (line: string[]) => console.log(`| ${line.join(' | ')} |`);
  for (const [row, line] of cells.entries()) {
    const isName = (text: string) => row === 0 || !/^\d/.test(text);
    print(
      line.map((text, i) => {
        const width = widths[i] ?? 0;
        return isName(text) ? text.padEnd(width) : text.padStart(width);
      }),
    );
    if (row === 0) print(widths.map((width) => '-'.repeat(width)));
  }
  console.log();
}
