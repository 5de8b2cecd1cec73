// What has become of this process's upgrades, for those outside who have asked for one by a signal.
import type { UpgradeError } from './error.js';

/** As it is written down for them. */
export interface UpgradeReport {
  begun: number;
  /** Those that have failed. */
  failed: number;
  /** The last one that has. */
  failure?: Partial<UpgradeError>;
}

/** Of the new program's standard error; the rest of what is written down must not become much. */
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
