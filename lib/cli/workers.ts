// The workers of a daemon for status --workers. The data is what the master writes for users that
// may inspect its process (lib/prefork/watch/board.ts). If the master writes nothing, it is the
// list of its children in /proc.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { PreforkStats, WorkerStats } from '../prefork/told.js';
import type { UpgradeReport } from '../prefork/upgrade/report.js';
import { BOARD } from '../prefork/watch/board.js';
import { procChildren, procLinks, procStat, procText } from '../system/procfs.js';
import { ageOf, memoryOf } from '../system/usage.js';

/** A worker, or a child that is known only from /proc. */
export type Shown = Partial<Omit<WorkerStats, 'state'>> & {
  pid: number | null;
  state: string;
  title?: string;
};

/** The known facts about a daemon's workers. */
export interface Workers {
  /**
   * The origin: the master; /proc, for its children; or hidden, if this user may not inspect the
   * process.
   */
  source: 'master' | 'proc' | 'hidden';
  /** The age of the data, in milliseconds. */
  age: number;
  masters: Omit<PreforkStats, 'workers'>[];
  workers: Shown[];
}

/** Far more than 1024 workers need. A limit is necessary: the inspected process may be hostile. */
const MOST = 4 << 20;

const LOOKS = 5;

interface Written extends PreforkStats {
  at: number;
  upgrade?: UpgradeReport;
}

const STATES = ['starting', 'ready', 'stopping', 'vacant'];

function isWritten(value: unknown, pid: number): value is Written {
  const { pid: named, at, workers, state } = value as Partial<Written>;
  const known = typeof at === 'number' && typeof state === 'string' && named === pid;
  return known && Array.isArray(workers) && workers.every(isWorker);
}

function isWorker(value: Partial<WorkerStats> | null): boolean {
  const { pid, state = '' } = value ?? {};
  return STATES.includes(state) && (pid === null || (Number.isInteger(pid) && Number(pid) > 0));
}

function textOf(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { size } = fstatSync(fd);
    const bytes = Buffer.alloc(Math.min(size, MOST));
    return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, 0));
  } finally {
    closeSync(fd);
  }
}

/** Reads until the content is stable, because the master may write at the same time. */
function written(path: string, pid: number): Written | undefined {
  let before = '';
  for (let looks = 0; looks < LOOKS; looks++) {
    const text = textOf(path);
    if (text === before) {
      const value: unknown = JSON.parse(text);
      return isWritten(value, pid) ? value : undefined;
    }
    before = text;
  }
  return undefined;
}

/** The records of each master in a process; undefined if this user may not see its descriptors. */
function boards(pid: number): Written[] | undefined {
  const links = procLinks(pid);
  if (links.length === 0) return undefined;
  return links
    .filter(([, to]) => to.startsWith(`/memfd:${BOARD} `))
    .flatMap(([fd]) => {
      try {
        return written(`/proc/${pid}/fd/${fd}`, pid) ?? [];
      } catch {
        return []; // the process has ended, or nothing is written yet
      }
    });
}

/** Updates a worker's memory, and adds the time since the record was written. */
function today(worker: WorkerStats, age: number): Shown {
  const { pid, uptime } = worker;
  if (pid === null) return worker;
  return { ...worker, uptime: uptime + age, ...memoryOf(pid) };
}

const KERNEL_STATES: Readonly<Record<string, string>> = {
  R: 'running',
  S: 'sleeping',
  D: 'waiting',
  T: 'stopped',
  t: 'traced',
  Z: 'zombie',
};

function child(pid: number): Shown[] {
  const [letter = ''] = procStat(pid)?.fields ?? [];
  if (letter === '') return [];
  const uptime = ageOf(pid);
  const title = (procText(`${pid}/cmdline`) ?? '').replaceAll('\0', ' ').trim();
  return [
    {
      pid,
      state: KERNEL_STATES[letter] ?? letter,
      ...(uptime === undefined ? {} : { uptime }),
      ...(memoryOf(pid) ?? { privateBytes: null, pss: null }),
      ...(title === '' ? {} : { title }),
    },
  ];
}

function children(pid: number): Shown[] {
  try {
    return procChildren(pid).flatMap(child);
  } catch {
    return []; // the process has ended; a kernel without CONFIG_PROC_CHILDREN; FreeBSD
  }
}

/**
 * The state of the daemon's upgrades; undefined if its master writes nothing that this user may
 * read.
 */
export function upgradesOf(pid: number): UpgradeReport | undefined {
  const found = boards(pid)?.flatMap(({ upgrade }) => upgrade ?? []) ?? [];
  return found.sort((a, b) => b.begun + b.failed - a.begun - a.failed)[0];
}

/** The workers of a running daemon. */
export function workersOf(pid: number): Workers {
  const found = boards(pid);
  if (found === undefined || found.length === 0) {
    const source = found === undefined ? 'hidden' : 'proc';
    return { source, age: 0, masters: [], workers: children(pid) };
  }
  const now = Date.now();
  const age = Math.max(0, now - Math.min(...found.map(({ at }) => at)));
  const masters = found.map(({ workers: _, at: __, upgrade: ___, ...master }) => master);
  const workers = found.flatMap((one) => one.workers.map((each) => today(each, now - one.at)));
  return { source: 'master', age, masters, workers };
}

const mebi = (bytes: number | null | undefined) =>
  typeof bytes === 'number' ? `${(bytes / 2 ** 20).toFixed(1)}M` : '-';

function span(milliseconds: number | undefined): string {
  if (milliseconds === undefined) return '-';
  const seconds = Math.floor(milliseconds / 1000);
  const [days, hours] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24];
  const minutes = Math.floor(seconds / 60) % 60;
  if (days > 0) return `${days}d${hours}h`;
  if (hours > 0) return `${hours}h${minutes}m`;
  return minutes > 0 ? `${minutes}m${seconds % 60}s` : `${seconds}s`;
}

function lastExit({ lastExit: last }: Shown): string {
  if (!last) return '-';
  return typeof last.signal === 'string' ? last.signal : `code ${last.exitCode ?? '?'}`;
}

const FULL: readonly [title: string, cell: (worker: Shown) => string][] = [
  ['SEAT', ({ id }) => `${id}`],
  ['PID', ({ pid }) => `${pid ?? '-'}`],
  ['GEN', ({ generation }) => `${generation}`],
  ['STATE', ({ state }) => state],
  ['UPTIME', ({ uptime, pid }) => (pid === null ? '-' : span(uptime))],
  ['REQUESTS', ({ requests }) => `${requests}`],
  ['UNDERWAY', ({ requestsUnderWay }) => `${requestsUnderWay}`],
  ['CONNS', ({ connections }) => `${connections}`],
  ['DELAY', ({ eventLoopDelay }) => `${eventLoopDelay}ms`],
  ['PRIVATE', ({ privateBytes }) => mebi(privateBytes)],
  ['PSS', ({ pss }) => mebi(pss)],
  ['RESTARTS', ({ restarts }) => `${restarts}`],
  ['LAST EXIT', lastExit],
];

const PLAIN: typeof FULL = [
  ['PID', ({ pid }) => `${pid}`],
  ['STATE', ({ state }) => state],
  ['UPTIME', ({ uptime }) => span(uptime)],
  ['PRIVATE', ({ privateBytes }) => mebi(privateBytes)],
  ['PSS', ({ pss }) => mebi(pss)],
  ['TITLE', ({ title }) => title ?? '-'],
];

const WIDEST = 60;

/** A process can choose its own title: control characters must not reach the terminal. */
const harmless = (text: string) => text.slice(0, WIDEST).replace(/\p{Cc}/gu, '?');

function table(columns: typeof FULL, workers: readonly Shown[]): string {
  const titles = columns.map(([title]) => title);
  const rows = [titles, ...workers.map((one) => columns.map(([, cell]) => harmless(cell(one))))];
  const widths = titles.map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)));
  const line = (row: string[]) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}

const STALE_MS = 5000;

/** The text below the line of status. */
export function workersInWords({ source, age, workers }: Workers): string {
  if (source === 'master') {
    const old = age < STALE_MS ? '' : `as the master reported ${span(age)} ago:\n`;
    return `${old}${table(FULL, workers)}`;
  }
  const why = {
    proc: 'it has no prefork master that reports workers',
    hidden: 'only its user and root may see its workers',
  }[source];
  return workers.length === 0 ? why : `${why}; its children:\n${table(PLAIN, workers)}`;
}
