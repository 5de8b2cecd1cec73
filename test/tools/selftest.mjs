// npm run build:freebsd-selftest [-- TARGET OUT]: test/freebsd and cpp/sys as one program without
// Node, for FreeBSD by zig, or ("native") for this machine by its own compiler. Plain JavaScript, so
// that it runs before anything is built.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeHeaders } from '../../prebuilds/make/headers.mjs';
import { zig } from '../../prebuilds/make/zig.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const [target = 'x86_64-freebsd.14.0', out = join(root, 'build', `selftest-${target}`)] =
  process.argv.slice(2);
const system = target === 'native' ? process.platform : 'freebsd';

/** The .cc files of a folder that are for this system; loop's need a whole libuv. */
function sources(folder) {
  const others = ['linux', 'freebsd'].filter((name) => name !== system);
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.cc') && !name.startsWith('loop'))
    .filter((name) => !others.some((other) => name.endsWith(`_${other}.cc`)))
    .map((name) => join(root, folder, name));
}

function native(...args) {
  const { status } = spawnSync(process.env.CXX ?? 'c++', args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error(`the compiler ended with ${status}`);
}

const machine = target.split('-', 1)[0];
const fork =
  system === 'freebsd' ? sources('cpp/fork/freebsd') : [join(root, 'cpp/fork/unsupported.cc')];
const compile = target === 'native' ? native : zig.bind(null, 'c++', '-target', target);
mkdirSync(dirname(out), { recursive: true });
compile(
  ...(process.env.CXXFLAGS ?? '').split(' ').filter(Boolean),
  ...['-std=c++17', '-O0', '-fno-exceptions', '-fno-rtti', '-Wall', '-Wextra', '-Werror'],
  ...['cpp', 'test/freebsd'].map((folder) => `-I${join(root, folder)}`),
  ...['-isystem', nodeHeaders(), '-pthread'],
  ...(system === 'freebsd' ? [`-I${join(root, 'cpp/fork/freebsd', machine)}`] : []),
  ...['cpp/sys', 'test/freebsd'].flatMap(sources),
  ...fork,
  ...['-o', out],
);
