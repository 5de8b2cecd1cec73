// Why an upgrade has failed.
import { codedError, systemError, telling } from '../../base/errors.js';
import type { WaitEnd } from '../../posix/wait.js';
import type { SignalName } from '../../system/signal-numbers.js';

/**
 * How far the new program came. `start`: it was about to be executed. `load`: it ran, but had
 * called neither `becomeDaemon()` nor `prefork()`. `daemon`: it had called `becomeDaemon()`, but
 * was not ready. `workers`: it had called `prefork()`, but not all workers were ready. `takeover`:
 * it was ready, and was about to be named in the pidfile.
 */
export type UpgradeStep = 'start' | 'load' | 'daemon' | 'workers' | 'takeover';

/** The error of `upgrade()` if the new program has failed. */
export interface UpgradeError extends Error {
  /** `ERR_UPGRADE_FAILED`, `ETIMEDOUT` if it was not ready in time, or the errno's name of a failed call. */
  code: string;
  /** How far the new program came. */
  step: UpgradeStep;
  /** The last part of the new program's standard error, which was also written to this one's. */
  stderr: string;
  /** The exit code of the new program; null if it did not exit, or was not started. */
  exitCode: number | null;
  /**
   * The signal that ended it, or null. This process ends a late program with SIGTERM, then SIGKILL.
   */
  signal: SignalName | null;
}

interface Told {
  step: UpgradeStep;
  stderr: string;
  end: WaitEnd | undefined;
}

const STEPS: Readonly<Record<UpgradeStep, string>> = {
  start: 'before it was executed',
  load: 'before it called becomeDaemon() or prefork()',
  daemon: 'before it was ready as a daemon',
  workers: 'before its workers were ready',
  takeover: 'before it took over',
};

function ending(end: WaitEnd | undefined): string {
  if (end === undefined) return 'has ended';
  return end.signal === null ? `has exited with ${end.exitCode}` : `was ended by ${end.signal}`;
}

export function withTold(error: Error, { step, stderr, end }: Told): UpgradeError {
  const { exitCode = null, signal = null } = end ?? {};
  return telling(error, { step, stderr, exitCode, signal }) as UpgradeError;
}

/** The new program has ended by itself. */
export function hasEnded(told: Told): UpgradeError {
  const words = `the new program ${ending(told.end)} ${STEPS[told.step]}`;
  return withTold(codedError(words, 'ERR_UPGRADE_FAILED'), told);
}

export function isLate(told: Told, milliseconds: number): UpgradeError {
  const words = `the new program was not ready within ${milliseconds} ms: it was ended ${STEPS[told.step]}`;
  return withTold(codedError(words, 'ETIMEDOUT'), told);
}

/** The new program has reported a failure. */
export function hasFailed(told: Told, text: string): UpgradeError {
  const [first = ''] = text.split('\n', 1);
  return withTold(codedError(`the new program has failed: ${first}`, 'ERR_UPGRADE_FAILED'), told);
}

/** The error in the record of a child that could not execute the program: errno and call. */
export function notExecuted(record: string, path: string): Error {
  const [errno = '0', syscall = ''] = record.split(' ');
  return systemError(-Number(errno), syscall, { path });
}
