// One test of Node's own suite, run once: alone, or as the main script of a forked process.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cleanEnvironment } from './environment.js';
import { marked } from './marked.js';
import { collect } from './output.js';
import { killIfThere, processGroup } from './proc.js';
import { fixture } from './run.js';

export const suiteKinds = ['child', 'grandchild', 'orphan', 'mid-test'] as const;
export type SuiteKind = (typeof suiteKinds)[number];

/** How a test is run: alone, with the preload that does nothing, or in a forked process. */
export type Way = 'alone' | 'preloaded' | SuiteKind;

export interface Ran {
  ok: boolean;
  skipped: boolean;
  /** `exit 1`, `SIGABRT`, `timeout`. */
  ending: string;
  output: string;
  /** What the preload says of its fork: `forked`, or why not. */
  report: string;
}

export interface RunSettings {
  /** The executable. */
  node: string;
  /** Milliseconds. */
  timeout: number;
  /** Milliseconds into the test, for `mid-test`. */
  delay: number;
}

/** The words after `// Flags:` or `// Env:` of a test, as Node's own runner reads them. */
function words(source: string, name: string): string[] {
  const line = new RegExp(`^// ${name}:(.*)$`, 'm').exec(source)?.[1] ?? '';
  return line.trim().split(/\s+/).filter(Boolean);
}

/** Ends whatever the test has left: its group, and what has left the group but has its folder. */
function sweep(pgid: number, folder: string) {
  if (processGroup(pgid).length > 0) killIfThere(-pgid);
  for (const pid of marked(`NODE_TEST_DIR=${folder}`)) killIfThere(pid);
}

function environment(source: string, folder: string, way: Way, { delay }: RunSettings) {
  const own = Object.fromEntries(words(source, 'Env').map((word) => word.split(/=(.*)/s)));
  const env = cleanEnvironment({ ...own, NODE_TEST_DIR: folder, TEST_SERIAL_ID: '0' });
  if (way === 'alone') return env;
  return {
    ...env,
    DAEMONKIT_SUITE_KIND: way === 'preloaded' ? 'none' : way,
    DAEMONKIT_SUITE_REPORT: join(folder, 'report'),
    DAEMONKIT_SUITE_DELAY: `${delay}`,
  };
}

/** Runs it in a folder, a session and a process group of its own, without core files. */
export async function runTest(path: string, way: Way, settings: RunSettings): Promise<Ran> {
  const source = readFileSync(path, 'utf8');
  const folder = mkdtempSync(join(tmpdir(), 'daemonkit-node-suite-'));
  const preload = way === 'alone' ? [] : ['--require', fixture('suite-fork.cjs')];
  const command = [settings.node, ...words(source, 'Flags'), ...preload, path];
  const child = spawn('sh', ['-c', 'ulimit -c 0; exec "$@"', 'sh', ...command], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(source, folder, way, settings),
  });
  const pgid = child.pid as number;
  const output = collect(child);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    sweep(pgid, folder);
  }, settings.timeout);
  const closed = new Promise((resolve) => child.on('close', resolve));
  try {
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (...end) => resolve(end));
    });
    clearTimeout(timer);
    sweep(pgid, folder);
    await closed;
    return {
      ok: code === 0 && !timedOut,
      skipped: /^1\.\.0 # Skipped/im.test(output.stdout),
      ending: timedOut ? 'timeout' : (signal ?? `exit ${code}`),
      output: `${output.stdout}${output.stderr}`,
      report: reportIn(folder),
    };
  } finally {
    clearTimeout(timer);
    rmSync(folder, { recursive: true, force: true });
  }
}

function reportIn(folder: string): string {
  try {
    return readFileSync(join(folder, 'report'), 'utf8').trim();
  } catch {
    return '';
  }
}
