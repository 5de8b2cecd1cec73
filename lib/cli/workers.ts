// The workers of a daemon, as status --workers shows them: what its master writes down for whoever may look
// at its process (lib/prefork/board.ts); where it writes nothing, its children as /proc shows them.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { BOARD } from '../prefork/board.js';
import type { PreforkStats, WorkerStats } from '../prefork/stats.js';
import type { UpgradeReport } from '../prefork/upgrade-report.js';
import { procChildren, procLinks, procStat, procText } from '../system/procfs.js';
import { ageOf, memoryOf } from '../system/usage.js';

/** A worker, or a child of whom no more is known than every process shows. */
export type Shown = Partial<Omit<WorkerStats, 'state'>> & {
  pid: number | null;
  state: string;
  title?: string;
};

/** What is known of a daemon's workers. */
export interface Workers {
  /** Who says so: the master; /proc, of its children; nobody, as this user may not look at the process. */
  source: 'master' | 'proc' | 'hidden';
  /** How old that is, in milliseconds. */
  age: number;
  masters: Omit<PreforkStats, 'workers'>[];
  workers: Shown[];
}

/** Far more than 1024 workers need: who is looked at need not be a friend. */
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

/** What is there when it does not change: it may be written while it is read. */
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

/** What each master in a process has written; undefined if its descriptors are not for us to see. */
function boards(pid: number): Written[] | undefined {
  const links = procLinks(pid);
  if (links.length === 0) return undefined;
  return links
    .filter(([, to]) => to.startsWith(`/memfd:${BOARD} `))
    .flatMap(([fd]) => {
      try {
        return written(`/proc/${pid}/fd/${fd}`, pid) ?? [];
      } catch {
        return []; // it has ended, or nothing is written yet
      }
    });
}

/** The memory as it is now; the time that has passed since then. */
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
    return []; // it has ended; a kernel without CONFIG_PROC_CHILDREN; FreeBSD
  }
}

/** What has become of its upgrades; undefined if its master writes nothing down that this user may read. */
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
