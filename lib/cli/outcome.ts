// What a command comes to: an exit code, a line for people, and the same for programs.
import type { Options } from './arguments.js';

/** LSB's codes, for `status` its own; s6's for usage and system errors. */
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
  /** For people; on standard error if the command failed. Empty: nothing to say. */
  text: string;
  /** Where `text` goes whatever the exit code: an answer is no failure. */
  answer?: boolean;
  /** For programs, besides `exitCode`. */
  data: Readonly<Record<string, unknown>>;
}

/** What a daemon does from here on: its errors are the application's, and node's to tell. */
export type Application = () => Promise<void>;

export interface Command {
  options: Options;
  /** Does what the arguments say; throws a UsageError before anything is done. */
  run(args: readonly string[]): Promise<Outcome | Application>;
}
