// The addon's functions as lib/ sees them: arguments already checked, -errno for a failed call.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** A descriptor on the event loop; close() may be called twice, and from within the callback. */
export interface Watch {
  close(): void;
  ref(): void;
  unref(): void;
}

export interface Native {
  fork(
    timeout: number,
    drop: number[],
  ): { pid: number; errno: number; syscall?: string; reason?: string };
  forkObstacles(): string[];
  adoptThreadIds(patience: number): boolean;
  getpid(): number;
  setsid(): number;
  getsid(pid: number): number;
  setpgid(pid: number, pgid: number): number;
  getpgid(pid: number): number;
  /**
   * Calls `callback(0)` on the event loop whenever `fd` is readable, or `callback(-errno)` once if
   * the loop cannot watch it any more. `ref` says whether the watch keeps the process alive at
   * first. Makes `fd` non-blocking. close() the watch before the descriptor.
   */
  watch(fd: number, callback: (status: number) => void, ref: boolean): Watch | number;
}

const require = createRequire(import.meta.url);
const load = require('node-gyp-build') as (root: string) => Native;

// Two folders up from dist/lib: where binding.gyp, build/ and prebuilds/ are.
export const native: Native = load(fileURLToPath(new URL('../..', import.meta.url)));
