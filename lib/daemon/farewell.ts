// The launcher's final message. becomeDaemon() prints it to standard error if there is no daemon.
// The command prints it in the requested form.
import { native } from '../addon/native.js';
import type { Verdict } from './report.js';

/** The outcome of a launcher. */
export interface Farewell extends Verdict {
  /** The daemon's pid; 0 if there is none. */
  pid: number;
}

/** The text, and its descriptor. */
export interface Line {
  fd: number;
  text: string;
}

/**
 * Called in the launcher, which does not return to the script. It must be synchronous: the
 * launcher's promises never settle.
 */
type Teller = (farewell: Farewell) => Line | undefined;

/** The failure as a line of text. */
export const inWords = ({ message }: Verdict) => `the daemon did not start: ${message}`;

let teller: Teller = (farewell) =>
  farewell.exitCode === 0 ? undefined : { fd: 2, text: `daemonkit: ${inWords(farewell)}\n` };

/** A reader that does not read must not block the launcher for longer. */
const PATIENCE = 2000;

export function sayFarewell(farewell: Farewell): void {
  const line = teller(farewell);
  if (line !== undefined) native.writeWithin(line.fd, Buffer.from(line.text), PATIENCE);
}

/**
 * The message that a launcher prints natively when the daemon is ready: the text before the pid,
 * and the text after it.
 */
export function farewellBeforehand(): [fd: number, before: string, after: string] {
  const pid = 2 ** 31 - 1; // above every PID_MAX_LIMIT, so no process has it
  const line = teller({ exitCode: 0, message: '', pid });
  const [before = '', after] = line?.text.split(`${pid}`, 2) ?? [];
  return line === undefined ? [-1, '', ''] : [line.fd, before, after ?? ''];
}

/** Replaces the launcher's final message. */
export function onFarewell(tell: Teller): void {
  teller = tell;
}
