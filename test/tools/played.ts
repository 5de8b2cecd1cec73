// Test files played by another Node than ours, and counted.
import { spawnSync } from 'node:child_process';
import { cleanEnvironment } from './environment.js';
import { whatFailed } from './failures.js';

export interface Played {
  pass: number;
  fail: number;
  skipped: number;
  seconds: number;
  /** What failed, in words; empty if all is well. */
  failed: string;
}

/** Plays the files by a command that ends in a test runner, and counts by the TAP summary, whatever the line's default is. */
export function played([program = '', ...before]: string[], files: string[]): Played {
  const start = performance.now();
  const { stdout, status } = spawnSync(program, [...before, '--test-reporter=tap', ...files], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: cleanEnvironment(),
    maxBuffer: 2 ** 28,
  });
  const count = (name: string) => Number(stdout.match(new RegExp(`^# ${name} (\\d+)`, 'm'))?.[1]);
  return {
    pass: count('pass') || 0,
    // A runner that died has no summary, and must not count as a success.
    fail: count('fail') || (status === 0 ? 0 : 1),
    skipped: count('skipped') || 0,
    seconds: Math.round((performance.now() - start) / 1000),
    failed: status === 0 ? '' : whatFailed(stdout),
  };
}
