// The addon's functions as lib/ sees them: arguments already checked, -errno for a failed call.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

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
}

const require = createRequire(import.meta.url);
const load = require('node-gyp-build') as (root: string) => Native;

// Two folders up from dist/lib: where binding.gyp, build/ and prebuilds/ are.
export const native: Native = load(fileURLToPath(new URL('../..', import.meta.url)));
