// Why an upgrade has failed.
import { codedError, systemError, telling } from '../../base/errors.js';
import type { WaitEnd } from '../../posix/wait.js';
import type { SignalName } from '../../system/signal-numbers.js';

/**
 * How far the new program was. `start`: it was to be executed. `load`: it ran, and had called neither
 * `becomeDaemon()` nor `prefork()`. `daemon`: it had called `becomeDaemon()`, and was not ready. `workers`:
 * it had called `prefork()`, and not all workers were ready. `takeover`: it was ready, and was about to be
 * named in the pidfile.
 */
export type UpgradeStep = 'start' | 'load' | 'daemon' | 'workers' | 'takeover';

/** What `upgrade()` is rejected with when the new program has failed. */
export interface UpgradeError extends Error {
  /** `ERR_UPGRADE_FAILED`, `ETIMEDOUT` if it was not ready in time, or the errno's name of a failed call. */
  code: string;
  /** How far the new program had come. */
  step: UpgradeStep;
  /** The end of what the new program has written to standard error, which was also written to this one's. */
  stderr: string;
  /** What the new program exited with; null if it did not, or was not started. */
  exitCode: number | null;
  /** The signal that ended it, or null. This process ends one that is late by SIGTERM, then SIGKILL. */
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
  takeover: 'when it was to take over',
};

function ending(end: WaitEnd | undefined): string {
  if (end === undefined) return 'has ended';
  return end.signal === null ? `has exited with ${end.exitCode}` : `was ended by ${end.signal}`;
}

export function withTold(error: Error, { step, stderr, end }: Told): UpgradeError {
  const { exitCode = null, signal = null } = end ?? {};
  return telling(error, { step, stderr, exitCode, signal }) as UpgradeError;
}

/** It has ended by itself. */
export function hasEnded(told: Told): UpgradeError {
  const words = `the new program ${ending(told.end)} ${STEPS[told.step]}`;
  return withTold(codedError(words, 'ERR_UPGRADE_FAILED'), told);
}

export function isLate(told: Told, milliseconds: number): UpgradeError {
  const words = `the new program was not ready within ${milliseconds} ms: it was ended ${STEPS[told.step]}`;
  return withTold(codedError(words, 'ETIMEDOUT'), told);
}

/** It has said that it cannot be ready. */
export function hasFailed(told: Told, text: string): UpgradeError {
  const [first = ''] = text.split('\n', 1);
  return withTold(codedError(`the new program has failed: ${first}`, 'ERR_UPGRADE_FAILED'), told);
}

/** A record of the child that could not execute it: its errno and the call. */
export function notExecuted(record: string, path: string): Error {
  const [errno = '0', syscall = ''] = record.split(' ');
  return systemError(-Number(errno), syscall, { path });
}
