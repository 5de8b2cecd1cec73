// The program's callbacks in the master: whatever they throw, the master goes on.
import { asError, telling } from '../base/errors.js';
import type { PreforkPlan, WorkerExit } from './settings.js';

/** Calls, and tells of what it throws, now or by its promise. Nobody waits for that. */
function guarded(call: () => unknown, onFault: (error: Error) => void): void {
  try {
    Promise.resolve(call()).catch((thrown) => onFault(asError(thrown)));
  } catch (thrown) {
    onFault(asError(thrown));
  }
}

const warn = (error: Error) => process.emitWarning(error);

/** onMasterReap, onMasterError and onMasterReload of a plan. */
export class Callbacks {
  readonly #plan: PreforkPlan;

  constructor(plan: PreforkPlan) {
    this.#plan = plan;
  }

  error(error: Error): void {
    const { onMasterError } = this.#plan;
    guarded(() => (onMasterError === undefined ? warn(error) : onMasterError(error)), warn);
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

/** The program's own error, with a code as every error of a rejected promise has one. */
function withCode(error: Error): Error {
  return 'code' in error ? error : telling(error, { code: 'ERR_RELOAD_FAILED' });
}
