// The six binaries of a release: where they go, what they are compiled for, what they may ask of
// the machine that loads them.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

const machines = {
  x64: { zig: 'x86_64', elf: 'Advanced Micro Devices X86-64', loader: 'ld-linux-x86-64.so.2' },
  arm64: { zig: 'aarch64', elf: 'AArch64', loader: 'ld-linux-aarch64.so.1' },
};

// Of each platform: zig's name for it, the libraries that may be NEEDED, and the highest version of
// their symbols. musl's symbols have no versions: there zig's own musl is the floor.
const platforms = {
  'linux glibc': {
    zig: 'linux-gnu.2.28',
    // Until glibc 2.34 pthread and dl were libraries of their own; node itself has loaded them.
    libraries: ({ loader }) => ['libc.so.6', 'libpthread.so.0', 'libdl.so.2', 'libm.so.6', loader],
    versions: { GLIBC: '2.28' },
  },
  'linux musl': { zig: 'linux-musl', libraries: () => ['libc.so'], versions: {} },
  freebsd: {
    zig: 'freebsd.14.0',
    // Never libutil, whose number differs between FreeBSD 14 and 15.
    libraries: () => ['libc.so.7', 'libthr.so.3', 'libm.so.5'],
    // FBSD_1.7 is what FreeBSD 14.0 has.
    versions: { FBSD: '1.7' },
  },
};

function target(platform, arch) {
  const [os, libc] = platform.split(' ');
  const { zig, libraries, versions } = platforms[platform];
  const machine = machines[arch];
  // As prebuildify names them, and node-gyp-build finds them.
  const file = ['daemonkit', libc, 'node'].filter(Boolean).join('.');
  return {
    name: [os, arch, libc].filter(Boolean).join('-'),
    path: join(root, 'prebuilds', `${os}-${arch}`, file),
    zig: `${machine.zig}-${zig}`,
    /** The variables that binding.gyp's conditions may ask for. */
    gyp: { OS: os, target_arch: arch, ...(libc && { libc }) },
    machine: machine.elf,
    libraries: libraries(machine),
    versions,
  };
}

export const targets = Object.keys(platforms).flatMap((platform) =>
  Object.keys(machines).map((arch) => target(platform, arch)),
);

/** The targets with these names; all if there is none. */
export function named(names) {
  const unknown = names.find((name) => !targets.some((one) => one.name === name));
  if (unknown !== undefined) {
    throw new Error(`no target ${unknown}; there are ${targets.map(({ name }) => name).join(' ')}`);
  }
  return names.length === 0 ? targets : targets.filter(({ name }) => names.includes(name));
}

/** What all six may have together, in bytes: the package is to be below 2.5 MB with the rest of it. */
export const mostTogether = 1_755_000;
