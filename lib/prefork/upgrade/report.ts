// The outcome of this process's upgrades, for other processes that requested one by a signal.
import type { UpgradeError } from './error.js';

/** The written form. */
export interface UpgradeReport {
  begun: number;
  /** The number of failed upgrades. */
  failed: number;
  /** The last failure. */
  failure?: Partial<UpgradeError>;
}

/** The limit for the new program's standard error, to keep the report small. */
const LONGEST = 4096;

let report: UpgradeReport = { begun: 0, failed: 0 };

export const upgradeReport = (): UpgradeReport => report;

export function noteBegun(): void {
  report = { ...report, begun: report.begun + 1 };
}

export function noteFailure(error: Partial<UpgradeError>): void {
  const { message, code, step, stderr, exitCode, signal } = error;
  const failure = { message, code, step, stderr: stderr?.slice(-LONGEST), exitCode, signal };
  report = { ...report, failed: report.failed + 1, failure: failure as Partial<UpgradeError> };
}
