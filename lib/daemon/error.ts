// The error of a step, which becomeDaemon() throws and planDaemon() returns.
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

/**
 * Shared by all copies of the package, so that the application recognizes an error of the command's
 * copy.
 */
const BRAND = Symbol.for('daemonkit.DaemonError');

/** The code of a step's error whose cause has no code. */
export const STEP_FAILED = 'ERR_STEP_FAILED';

type Given = Error & Partial<SystemError> & { pid?: number };

const codeOf = ({ code }: Given) => (typeof code === 'string' ? code : undefined);

/**
 * The properties of our errors, and of those of node:fs, contain everything. Any other error
 * becomes the `cause`.
 */
function isPlain(error: Given): boolean {
  return codeOf(error) !== undefined && Object.getPrototypeOf(error) === Error.prototype;
}

function isInstance(this: unknown, value: unknown): boolean {
  // A subclass uses the ordinary check of its own prototype.
  if (this !== DaemonError) return Function.prototype[Symbol.hasInstance].call(this, value);
  return typeof value === 'object' && value !== null && BRAND in value;
}

/**
 * The error that {@link becomeDaemon} throws if a step fails, and that {@link planDaemon} returns
 * for a precondition that is not met. `error instanceof DaemonError` is true for errors of any copy
 * of the package.
 */
export class DaemonError extends Error {
  /** The step that failed. */
  declare readonly step: DaemonStep;
  /**
   * The errno's name, for example `EPERM`, or a code of Node or daemonkit, for example
   * `ERR_PRIVILEGES_KEPT`.
   */
  declare readonly code: string;
  /** The negative errno, if a call failed. */
  declare readonly errno?: number | undefined;
  /** The man-page name of the call that failed. */
  declare readonly syscall?: string | undefined;
  /** The call's file, if it had one. */
  declare readonly path?: string | undefined;
  /** For `EEXIST` at the step `pidfile`, the pid of the running daemon. */
  declare readonly pid?: number | undefined;

  static {
    Object.defineProperty(DaemonError.prototype, BRAND, { value: true });
    Object.defineProperty(DaemonError, Symbol.hasInstance, { value: isInstance });
  }

  /**
   * @param step - the step that failed.
   * @param thrown - the value that it threw. Its message, stack and properties are copied to this
   *   error.
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
    // The place where the error was thrown, not where it was caught.
    if (error.stack !== undefined) this.stack = error.stack;
  }
}
