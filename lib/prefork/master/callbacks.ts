// The program's callbacks in the master. The master continues if they throw.

import { asError, telling } from '../../base/errors.js';
import type { WaitEnd } from '../../posix/wait.js';
import type { HungWorker, WorkerExit } from '../options.js';
import type { PreforkPlan } from '../plan/settings.js';
import type { WorkerState } from '../state/state.js';

/**
 * Calls a function, and reports its error or the rejection of its promise. Does not wait for the
 * promise.
 */
function guarded(call: () => unknown, onFault: (error: Error) => void): void {
  try {
    Promise.resolve(call()).catch((thrown) => onFault(asError(thrown)));
  } catch (thrown) {
    onFault(asError(thrown));
  }
}

const warn = (error: Error) => process.emitWarning(error);

/** The report about an ended worker. There is no result if other code has waited for it. */
export function exitOf(worker: WorkerState, result: WaitEnd | undefined, now: number): WorkerExit {
  const { seat: id, pid, generation, readyAt, leaving, born, reason = null } = worker;
  const { exitCode = null, signal = null, rusage } = result ?? {};
  const [ready, asked, lived] = [readyAt !== undefined, leaving === 'asked', now - born];
  const how = { exitCode, signal, rusage, lived, ready, asked, reason };
  return { id, pid, generation, ...how } as WorkerExit;
}

/** The plan's callbacks that run in the master. */
export class Callbacks {
  readonly #plan: PreforkPlan;

  constructor(plan: PreforkPlan) {
    this.#plan = plan;
  }

  error(error: Error): void {
    const { onMasterError } = this.#plan;
    guarded(() => (onMasterError === undefined ? warn(error) : onMasterError(error)), warn);
  }

  hang(worker: HungWorker): void {
    guarded(
      () => this.#plan.onMasterHang?.(worker),
      (error) => this.error(error),
    );
  }

  exit(exit: WorkerExit): void {
    guarded(
      () => this.#plan.onMasterReap?.(exit),
      (error) => this.error(error),
    );
  }

  /** Calls back once onMasterReload has settled, with its error if it failed. */
  reload(settled: (error?: Error) => void): void {
    const fail = (thrown: unknown) => settled(withCode(asError(thrown)));
    try {
      Promise.resolve(this.#plan.onMasterReload?.()).then(() => settled(), fail);
    } catch (thrown) {
      fail(thrown);
    }
  }
}

/** Adds a code to an error without one, such as the program's: every rejection has a code. */
export function withCode(error: Error): Error {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' ? error : telling(error, { code: 'ERR_RELOAD_FAILED' });
}
