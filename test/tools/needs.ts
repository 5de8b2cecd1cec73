// The requirements of a test, as options of node:test: it skips with the missing one as reason.

import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const why = (missing: boolean, text: string) => ({ skip: missing && text });

/** Users, chroot, namespaces and other processes' limits are root's. */
export const needsRoot = why(process.getuid?.() !== 0, 'needs root');

/** The Debian packages of what a machine may be without. Node, g++, make and python3 bring the rest. */
export const PACKAGES: Record<string, string> = {
  bash: 'bash',
  cc: 'gcc',
  chrt: 'util-linux',
  cpio: 'cpio',
  curl: 'curl',
  debootstrap: 'debootstrap',
  flock: 'util-linux',
  gdb: 'gdb',
  groff: 'groff-base',
  logrotate: 'logrotate',
  mke2fs: 'e2fsprogs',
  mount: 'mount',
  nm: 'binutils',
  nsenter: 'util-linux',
  prlimit: 'util-linux',
  ps: 'procps',
  readelf: 'binutils',
  svlogd: 'runit',
  's6-svscan': 's6',
  setpriv: 'util-linux',
  strace: 'strace',
  'systemd-analyze': 'systemd',
  'systemd-notify': 'systemd',
  'systemd-socket-activate': 'systemd',
  taskset: 'util-linux',
  umount: 'mount',
  unshare: 'util-linux',
  xz: 'xz-utils',
  'musl-gcc': 'musl-tools',
  'aarch64-linux-gnu-g++': 'g++-aarch64-linux-gnu',
  'qemu-aarch64-static': 'qemu-user-static',
  'qemu-system-aarch64': 'qemu-system-arm',
};

function installed(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** `root`, or programs of {@link PACKAGES}: the first missing one is the reason. */
export function needs(...what: string[]): { skip: string | false } {
  for (const one of what) {
    if (one === 'root') {
      if (needsRoot.skip) return needsRoot;
    } else if (PACKAGES[one] === undefined) throw new Error(`not in PACKAGES: ${one}`);
    else if (!installed(one)) return why(true, `needs ${one} (Debian package ${PACKAGES[one]})`);
  }
  return why(false, '');
}

/** Root, whose node and whose tests any user can start: a home directory may be closed to others. */
export function needsOpenFolders(): { skip: string | false } {
  if (needsRoot.skip) return needsRoot;
  const nobody = { uid: 65534, gid: 65534, cwd: '/', env: {} };
  const self = fileURLToPath(import.meta.url);
  const { status } = spawnSync(process.execPath, ['--check', self], nobody);
  return why(status !== 0, 'needs node and tests where every user can read them');
}

export const needsStrace = needs('strace');

export const needsSystemd = needs('systemd-notify', 'systemd-analyze', 'systemd-socket-activate');

/** The files that it rotates are other users'. */
export const needsLogrotate = needs('root', 'logrotate');

/** Both at once: the first missing one is the reason. */
export const needsRootAndStrace = needs('root', 'strace');

export const needsZig = why(
  process.platform !== 'linux' || process.arch !== 'x64',
  'needs zig, which is fetched for Linux x64 only',
);
