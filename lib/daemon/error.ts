// The error of a step, as becomeDaemon() throws it and planDaemon() tells it.
import { asError, type SystemError } from '../base/errors.js';
import { string } from '../base/validate.js';

/** The name of a step of {@link becomeDaemon}; both forks are named `fork`. */
export type DaemonStep =
  | 'fork'
  | 'setsid'
  | 'umask'
  | 'chdir'
  | 'pidfile'
  | 'privileged'
  | 'notify'
  | 'descriptors'
  | 'chroot'
  | 'setgroups'
  | 'setgid'
  | 'setuid'
  | 'drop'
  | 'noNewPrivileges'
  | 'stdio'
  | 'inherited'
  | 'signals'
  | 'environment'
  | 'ready';

/** Of every copy of the package, so that an error of the command's is one for the application too. */
const BRAND = Symbol.for('daemonkit.DaemonError');

/** The code where the error that stopped a step had none. */
export const STEP_FAILED = 'ERR_STEP_FAILED';

type Given = Error & Partial<SystemError> & { pid?: number };

const codeOf = ({ code }: Given) => (typeof code === 'string' ? code : undefined);

/** Ours, and those of node:fs, are told in full by their properties. Others are the cause of this one. */
function isPlain(error: Given): boolean {
  return codeOf(error) !== undefined && Object.getPrototypeOf(error) === Error.prototype;
}

function isInstance(this: unknown, value: unknown): boolean {
  // A class that extends it goes by its own prototype.
  if (this !== DaemonError) return Function.prototype[Symbol.hasInstance].call(this, value);
  return typeof value === 'object' && value !== null && BRAND in value;
}

/**
 * What {@link becomeDaemon} throws if a step fails, and {@link planDaemon} has as a precondition that is not met.
 * `error instanceof DaemonError` holds for an error of any copy of the package.
 */
export class DaemonError extends Error {
  /** The step that has failed. */
  declare readonly step: DaemonStep;
  /** The errno's name, as `EPERM`, or Node's or daemonkit's own: `ERR_PRIVILEGES_KEPT`. */
  declare readonly code: string;
  /** The negative errno, if a call has failed. */
  declare readonly errno?: number | undefined;
  /** The man-page name of the call that failed. */
  declare readonly syscall?: string | undefined;
  /** The file that it was about, if there was one. */
  declare readonly path?: string | undefined;
  /** With `EEXIST` at the step `pidfile` the daemon that runs already. */
  declare readonly pid?: number | undefined;

  static {
    Object.defineProperty(DaemonError.prototype, BRAND, { value: true });
    Object.defineProperty(DaemonError, Symbol.hasInstance, { value: isInstance });
  }

  /**
   * @param step - the step that has failed.
   * @param thrown - what it has thrown: its message, stack and properties become this error's.
   */
  constructor(step: DaemonStep, thrown: unknown) {
    string(step, 'step');
    const error = asError(thrown);
    super(error.message, isPlain(error) ? {} : { cause: error });
    const { errno, syscall, path, dest, pid } = error as Given;
    const code = codeOf(error) ?? STEP_FAILED;
    const told = { errno, code, syscall, path, dest, pid, step };
    Object.assign(
      this,
      Object.fromEntries(Object.entries(told).filter(([, value]) => value !== undefined)),
    );
    // Where it happened, not where it was caught.
    if (error.stack !== undefined) this.stack = error.stack;
  }
}
