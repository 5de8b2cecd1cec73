// The outcome of a command: an exit code, a line for people, and the same data for programs.
import type { Options } from './arguments.js';

/**
 * The exit codes of LSB, with its own set for `status`. Usage and system errors have the codes of
 * s6.
 */
export const EXIT = {
  done: 0,
  failed: 1,
  deadWithPidfile: 1,
  notRunning: 3,
  unimplemented: 3,
  unknown: 4,
  nothingToSignal: 7,
  usage: 100,
  system: 111,
} as const;

export interface Outcome {
  exitCode: number;
  /** For people; goes to standard error if the command failed. If empty, nothing is printed. */
  text: string;
  /** `text` goes to standard output whatever the exit code is: an answer is not a failure. */
  answer?: boolean;
  /** For programs, besides `exitCode`. */
  data: Readonly<Record<string, unknown>>;
}

/** Runs the application in the daemon. Node reports its errors as those of the application. */
export type Application = () => Promise<void>;

export interface Command {
  options: Options;
  /** Runs the command; throws a UsageError before it does anything. */
  run(args: readonly string[]): Promise<Outcome | Application>;
}
