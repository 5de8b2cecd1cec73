// Runs the steps, or undoes them.
import type { Birth } from './birth.js';
import { DaemonError } from './error.js';
import { reserveStandard } from './files.js';
import { inStep } from './in-step.js';
import { STEPS } from './steps.js';

export { inStep };

/** Runs one phase of all steps, and adds the step to an error. */
export function runSteps(phase: 'check' | 'run', birth: Birth): void {
  for (const step of STEPS) {
    inStep(step.name, () => step[phase]?.(birth));
  }
}

/** Runs the checks of all steps, which may open files. */
export function runChecks(birth: Birth): void {
  inStep('stdio', () => reserveStandard(birth));
  runSteps('check', birth);
}

/** Undoes what the checks have acquired, the last first. */
export function undoSteps(birth: Birth): void {
  for (const step of STEPS.toReversed()) step.undo?.(birth);
}

/** The prefix of the call's own errors; the name of the step follows. */
const SAYS = 'becomeDaemon: ';

/**
 * The error that becomeDaemon() throws. The message contains the step, for programs that print only
 * the message. An error of the `privileged` hook belongs to the script and stays unchanged.
 */
export function thrown(error: unknown): unknown {
  if (!(error instanceof DaemonError)) return error;
  const { message, stack, step } = error;
  error.message = `${SAYS}step ${step}: ${message}`;
  // V8 makes the stack, with the old message, when the error is made, and prints it for an uncaught
  // error.
  if (stack !== undefined) error.stack = stack.replace(message, () => error.message);
  return error;
}

/** The same message without the name of the call, for callers that the user does not see. */
export function withoutCall(message: string): string {
  return message.startsWith(SAYS) ? message.slice(SAYS.length) : message;
}
