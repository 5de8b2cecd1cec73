// The launcher's last words: in becomeDaemon() on standard error if there is no daemon, in the
// command as it has been asked to say it.
import { native } from '../native.js';
import type { Verdict } from './report.js';

/** How a launcher ends. */
export interface Farewell extends Verdict {
  /** The daemon's; 0 if there is none. */
  pid: number;
}

/** Called in the launcher, which does not come back to the script: no promise of its is ever settled. */
type Teller = (farewell: Farewell) => void;

/** What went wrong, as a line. */
export const inWords = ({ message }: Verdict) => `the daemon did not start: ${message}`;

let teller: Teller = (farewell) => {
  if (farewell.exitCode !== 0) native.writeAll(2, `daemonkit: ${inWords(farewell)}\n`);
};

export function sayFarewell(farewell: Farewell): void {
  teller(farewell);
}

/** Has the launcher's end told in another way. */
export function onFarewell(tell: Teller): void {
  teller = tell;
}
