// What a test cannot do without, as options of node:test: it skips, and says for want of what.
import { spawnSync } from 'node:child_process';

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

const needsTool = why(
  spawnSync('logrotate', ['--version']).error !== undefined,
  'needs logrotate (Debian package logrotate)',
);

/** The files that it rotates are other users'. */
export const needsLogrotate = needsRoot.skip ? needsRoot : needsTool;

/** Both at once: the first that is missing is told. */
export const needsRootAndStrace = needsRoot.skip ? needsRoot : needsStrace;

export const needsZig = why(
  process.platform !== 'linux' || process.arch !== 'x64',
  'needs zig, which is fetched for Linux x64 only',
);
