// What npm brings that is too large for the dependencies, zig and the Node lines: once for a machine,
// whoever asks at the same time, and whole or not at all. Plain JavaScript, so that it runs before
// anything is built.
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

/** A folder of ours in the user's cache, which all clones share. */
export function cacheFolder(name) {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'daemonkit', name);
}

// A lock belongs to the open file, which is ours: the program that asks for it may end (flock(2)). The
// kernel lets go of it when we do, killed or not. Node has no flock(); gyp needs python3 anyway.
const LOCK = 'import fcntl; fcntl.flock(3, fcntl.LOCK_EX)';

/** Runs `body` while no other process runs one with the same file; waits for that. */
export function locked(file, body) {
  mkdirSync(dirname(file), { recursive: true });
  const fd = openSync(file, 'a');
  try {
    execFileSync('python3', ['-c', LOCK], { stdio: ['ignore', 2, 2, fd] });
    return body();
  } finally {
    closeSync(fd);
  }
}

/** Runs npm quietly; what it prints is no result of ours. */
export function npm(...args) {
  const quiet = ['--no-audit', '--no-fund', '--no-update-notifier', '--loglevel=error'];
  execFileSync('npm', [...args, ...quiet], { stdio: ['ignore', 2, 2] });
}

/**
 * Has `fill(fresh)` make a folder, unless there is one with the file `proof` in it (or `anew`). It is
 * made beside its place and then renamed: what is there under its name is whole.
 */
export function fetchOnce(folder, proof, fill, anew = false) {
  const parent = dirname(folder);
  const whole = () => !anew && existsSync(join(folder, proof));
  if (whole()) return folder;
  return locked(join(parent, '.lock'), () => {
    if (whole()) return folder;
    // With the lock in hand: these belong to fetches that were killed.
    for (const name of readdirSync(parent)) {
      if (name.startsWith('.fetch-')) rmSync(join(parent, name), { recursive: true, force: true });
    }
    const fresh = mkdtempSync(join(parent, '.fetch-'));
    try {
      fill(fresh);
      if (!existsSync(join(fresh, proof))) throw new Error(`what was fetched has no ${proof}`);
      // Whoever runs the old one keeps it: only its names are gone.
      rmSync(folder, { recursive: true, force: true });
      renameSync(fresh, folder);
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
    return folder;
  });
}
