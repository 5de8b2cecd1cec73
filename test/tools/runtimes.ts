// Bun and Deno, fetched from npm as the Node lines are (nodes.ts): by the long tests. The others
// use what exists.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { isFull } from './full.js';

const fetcher = new URL('../../../prebuilds/make/fetch.mjs', import.meta.url).href;
const { cacheFolder, fetchOnce, npm } = (await import(fetcher)) as {
  cacheFolder(name: string): string;
  fetchOnce(folder: string, proof: string, fill: (fresh: string) => void): string;
  npm(...args: string[]): void;
};

/** The packages that have the program, by processor; `program` is its place in them. */
const RUNTIMES = {
  Bun: { x64: '@oven/bun-linux-x64', arm64: '@oven/bun-linux-aarch64', program: 'bin/bun' },
  Deno: { x64: '@deno/linux-x64-glibc', arm64: '@deno/linux-arm64-glibc', program: 'deno' },
} as const;

export type Runtime = keyof typeof RUNTIMES;

/** The command to start, as argv; or the reason why there is none here. */
export function findRuntime(name: Runtime): { command: string[]; skip?: false } | { skip: string } {
  const { program, ...packages } = RUNTIMES[name];
  const source = packages[process.arch as 'x64' | 'arm64'];
  if (process.platform !== 'linux' || source === undefined || existsSync('/etc/alpine-release')) {
    return { skip: `${name} is fetched for Linux with glibc only` };
  }
  const folder = join(cacheFolder('runtimes'), name);
  const path = join(folder, 'node_modules', source, program);
  if (!existsSync(path) && !isFull) {
    return { skip: `${name} is not in the cache: npm run test:all fetches it` };
  }
  try {
    fetchOnce(folder, path.slice(folder.length + 1), (fresh) =>
      npm(
        ...['install', '--no-save', '--no-package-lock', '--ignore-scripts', '--prefix', fresh],
        source,
      ),
    );
  } catch (error) {
    return { skip: `${name} cannot be fetched: ${(error as Error).message}` };
  }
  return { command: name === 'Deno' ? [path, 'run', '--allow-all'] : [path] };
}
