// Takes the steps, or takes them back.
import type { Birth } from './birth.js';
import { DaemonError } from './error.js';
import { reserveStandard } from './files.js';
import { inStep } from './in-step.js';
import { STEPS } from './steps.js';

export { inStep };

/** Runs one phase of all steps; an error gets the name of its step. */
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

/** Gives everything back that the checks have taken, the last first. */
export function undoSteps(birth: Birth): void {
  for (const step of STEPS.toReversed()) step.undo?.(birth);
}

/** Where an error of the call itself is told, with the name of the step in front. */
const SAYS = 'becomeDaemon: ';

/**
 * The error as becomeDaemon() throws it: with its step in the message, for whoever prints no more than
 * that. What the `privileged` hook has thrown is the script's own, and stays as it is.
 */
export function thrown(error: unknown): unknown {
  if (!(error instanceof DaemonError)) return error;
  const { message, stack, step } = error;
  error.message = `${SAYS}step ${step}: ${message}`;
  // V8 has made it when the error was made, and prints it for an uncaught one.
  if (stack !== undefined) error.stack = stack.replace(message, () => error.message);
  return error;
}

/** The same message without the name of the call, for those who made it on behalf of somebody. */
export function withoutCall(message: string): string {
  return message.startsWith(SAYS) ? message.slice(SAYS.length) : message;
}
