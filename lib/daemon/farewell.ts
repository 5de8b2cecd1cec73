// The launcher's last words: in becomeDaemon() on standard error if there is no daemon, in the
// command as it has been asked to say it.
import { native } from '../addon/native.js';
import type { Verdict } from './report.js';

/** How a launcher ends. */
export interface Farewell extends Verdict {
  /** The daemon's; 0 if there is none. */
  pid: number;
}

/** What is said, and on which descriptor. */
export interface Line {
  fd: number;
  text: string;
}

/** Called in the launcher, which does not come back to the script: no promise of its is ever settled. */
type Teller = (farewell: Farewell) => Line | undefined;

/** What went wrong, as a line. */
export const inWords = ({ message }: Verdict) => `the daemon did not start: ${message}`;

let teller: Teller = (farewell) =>
  farewell.exitCode === 0 ? undefined : { fd: 2, text: `daemonkit: ${inWords(farewell)}\n` };

/** A reader that does not read shall not hold the launcher up. */
const PATIENCE = 2000;

export function sayFarewell(farewell: Farewell): void {
  const line = teller(farewell);
  if (line !== undefined) native.writeWithin(line.fd, Buffer.from(line.text), PATIENCE);
}

/**
 * What a launcher that waits natively says when the daemon is ready: the text before its pid, and the
 * text behind.
 */
export function farewellBeforehand(): [fd: number, before: string, after: string] {
  const pid = 2 ** 31 - 1; // beyond every PID_MAX_LIMIT, so nobody's
  const line = teller({ exitCode: 0, message: '', pid });
  const [before = '', after] = line?.text.split(`${pid}`, 2) ?? [];
  return line === undefined ? [-1, '', ''] : [line.fd, before, after ?? ''];
}

/** Has the launcher's end told in another way. */
export function onFarewell(tell: Teller): void {
  teller = tell;
}
