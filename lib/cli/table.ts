// The workers of a daemon for people: a line for each.
import type { Shown, Workers } from './workers.js';

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

/** No terminal shall obey what a process calls itself. */
const harmless = (text: string) => text.slice(0, WIDEST).replace(/\p{Cc}/gu, '?');

function table(columns: typeof FULL, workers: readonly Shown[]): string {
  const titles = columns.map(([title]) => title);
  const rows = [titles, ...workers.map((one) => columns.map(([, cell]) => harmless(cell(one))))];
  const widths = titles.map((_, at) => Math.max(...rows.map((row) => (row[at] ?? '').length)));
  const line = (row: string[]) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}

const STALE_MS = 5000;

/** What there is to see, below the line of status. */
export function workersInWords({ source, age, workers }: Workers): string {
  if (source === 'master') {
    const old = age < STALE_MS ? '' : `as the master has written it ${span(age)} ago:\n`;
    return `${old}${table(FULL, workers)}`;
  }
  const why = {
    proc: 'it has no prefork master that tells of workers',
    hidden: 'what its master tells of workers is for its user and root to see',
  }[source];
  return workers.length === 0 ? why : `${why}; its children:\n${table(PLAIN, workers)}`;
}
