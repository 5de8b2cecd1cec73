// Finds the addon's binary: built here by node-gyp, or a prebuilt one (prebuilds/).
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

interface Loader {
  (root: string): unknown;
  resolve(root: string): string;
}

const require = createRequire(import.meta.url);

// The package, three folders up from dist/lib/addon and from dist/lib/chunks: where prebuilds/ is.
const root = fileURLToPath(new URL('../../..', import.meta.url));

// The folder of the package's binding.gyp. With a binding.gyp in the root, npm runs node-gyp when
// it installs from a lockfile, which does not record "gypfile": false. (A clone has one in the
// root, too.)
const sources = `${root}cpp`;

function explained(code: string, lines: string[], cause: unknown): Error {
  return Object.assign(new Error(lines.join('\n'), { cause }), { code });
}

// The package has the sources in one archive; a clone has the files.
const unpack = `  tar -xzf ${root}dist/sources.tgz -C ${root}`;

// No script runs when the package is installed, so the user must start the build.
const advice = () => [
  'To build one here, with a C++17 compiler, make and python3:',
  '  npm install --no-save node-gyp node-addon-api',
  ...(existsSync(`${sources}/binding.gyp`) ? [] : [unpack]),
  `  npx node-gyp rebuild -C ${sources}`,
];

/** Prefers a binary that was built here to a prebuilt one. */
function findBinary(): string {
  // Loaded only when needed: Deno may ask for permission to look for it.
  const load = require('node-gyp-build') as Loader;
  try {
    return load.resolve(sources);
  } catch {
    return load.resolve(root);
  }
}

function pathOfBinary(): string {
  try {
    return findBinary();
  } catch (cause) {
    const { platform, arch, version } = process;
    const here = `${platform}-${arch}, Node ${version}`;
    const built = process.env.PREBUILDS_ONLY ? '' : `${sources}/build/Release/, `;
    const lines = [
      `daemonkit has no binary for this system (${here}).`,
      `Looked in ${built}${root}prebuilds/${platform}-${arch}/: ${(cause as Error).message.trim()}`,
    ];
    // The code that require() uses for a missing module.
    throw explained('MODULE_NOT_FOUND', [...lines, ...advice()], cause);
  }
}

/** This copy's version; undefined if a bundler has left package.json out. */
function version(): string | undefined {
  try {
    return JSON.parse(readFileSync(`${root}package.json`, 'utf8')).version;
  } catch {
    return undefined;
  }
}

/**
 * Loads the addon once for all copies of this version in the thread. The addon's memory holds what
 * fork() must remember of a process: rings that it has moved, ids that threads have not taken over
 * yet. Throws as {@link loadOwn}.
 */
export function loadBinary(): unknown {
  const own = version();
  if (own === undefined) return loadOwn();
  const key = Symbol.for(`daemonkit.native.${own}`);
  const others = (globalThis as { [key: symbol]: unknown })[key];
  if (others !== undefined) return others;
  const value = loadOwn();
  Object.defineProperty(globalThis, key, { value });
  return value;
}

/**
 * Loads this copy's addon. Throws an Error with the code `MODULE_NOT_FOUND` if no binary fits this
 * platform, and `ERR_DLOPEN_FAILED` if the system's loader refuses the binary. Both messages name
 * the binary and how to build one.
 */
function loadOwn(): unknown {
  const path = pathOfBinary();
  try {
    return require(path);
  } catch (cause) {
    const lines = [`daemonkit's binary does not load: ${(cause as Error).message.trim()}`];
    // node-gyp-build recognizes musl only by a file of Alpine's.
    if (path.endsWith('.glibc.node')) lines.push('On musl, if not Alpine, set LIBC=musl.');
    throw explained('ERR_DLOPEN_FAILED', [...lines, ...advice()], cause);
  }
}
