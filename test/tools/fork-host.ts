// Builds test/native/fork, cpp/fork without Node, for this machine and others.
import { execFile, execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const command = promisify(execFile);

/** Where a program is to run: the folders of cpp/fork that binding.gyp chooses, and a compiler. */
export interface Machine {
  cpu: 'x86_64' | 'aarch64';
  libc: 'glibc' | 'musl';
  compiler: string;
  options: () => string[];
}

const cpu = process.arch === 'x64' ? 'x86_64' : 'aarch64';

/**
 * musl has no C++ of its own in Debian, and the sources need none but headers: g++'s, which take
 * musl for a glibc and ask for its version.
 */
function muslOptions(): string[] {
  const ask = (option: string) => execFileSync('g++', [option], { encoding: 'utf8' }).trim();
  const version = ask('-dumpversion');
  const machine = ask('-dumpmachine');
  const cplusplus = [`/usr/include/c++/${version}`, `/usr/include/${machine}/c++/${version}`];
  const kernel = ['/usr/include', `/usr/include/${machine}`];
  return [
    '-D__GLIBC_PREREQ(major,minor)=0',
    ...cplusplus.flatMap((folder) => ['-isystem', folder]),
    ...kernel.flatMap((folder) => ['-idirafter', folder]),
    ...['-nodefaultlibs', '-lc', '-lgcc'],
  ];
}

export const machines = {
  glibc: { cpu, libc: 'glibc', compiler: 'g++', options: () => ['-pthread'] },
  musl: { cpu, libc: 'musl', compiler: 'musl-gcc', options: muslOptions },
  arm64: {
    cpu: 'aarch64',
    libc: 'glibc',
    compiler: 'aarch64-linux-gnu-g++',
    options: () => ['-pthread', '-static'],
  },
  // With the C library of where it runs.
  arm64Shared: {
    cpu: 'aarch64',
    libc: 'glibc',
    compiler: 'aarch64-linux-gnu-g++',
    options: () => ['-pthread'],
  },
} satisfies Record<string, Machine>;

/** A processor's emulator, which runs one program on this machine's kernel. */
export const arm64Emulator = 'qemu-aarch64-static';

function sources(cpu: Machine['cpu']): string[] {
  const of = (folder: string, wanted: (name: string) => boolean) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.cc') && wanted(name))
      .map((name) => join(folder, name));
  // A process without Node has no libuv, which inotify.cc, main_loop.cc, file_requests.cc and bottom.cc ask; no_libuv.cc stands in.
  const others = /^(unsupported|inotify|main_loop|file_requests|bottom)|_freebsd/;
  const rooms = ['', 'base', 'park', 'freeze', 'objects', 'rebuild', cpu].map((room) =>
    join('cpp/fork', room),
  );
  const fork = rooms.flatMap((room) => of(room, (name) => !others.test(name)));
  return [...fork, ...of('test/native/fork', () => true)];
}

const flags = ['-O1', '-std=c++17', '-fno-exceptions', '-fno-rtti', '-fno-threadsafe-statics'];
const strict = ['-Wall', '-Wextra', '-Werror', '-Wno-cast-function-type'];

/** Builds the program for a machine; it has a compiler for it, or this throws what is missing. */
export async function buildHost(machine: Machine, program: string): Promise<void> {
  const { cpu, libc, compiler, options } = machine;
  const folders = ['cpp', `cpp/fork/${cpu}`, `cpp/fork/${libc}`];
  const all = [
    ...[...flags, ...strict, ...folders.map((name) => `-I${name}`)],
    ...[...sources(cpu), `cpp/fork/${cpu}/context.S`, `test/native/fork/registers_${cpu}.S`],
    ...['-o', program, ...options()],
  ];
  // musl-gcc is a script that runs what REALGCC says.
  await command(compiler, all, { cwd: root, env: { ...process.env, REALGCC: 'g++' } });
}
