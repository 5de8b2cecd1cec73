// What ps(1) shows of a daemon that nobody else can be told the status of.
import { basename } from 'node:path';

const atStart = process.title;
let base: string | undefined;

/** As sendmail and PostgreSQL do it. An empty status leaves the name alone. */
export function showStatus(text: string): void {
  // One that the script has chosen stays; Node's own, the command line, leaves no room.
  base ??= process.title === atStart ? basename(process.argv[1] ?? process.argv0) : process.title;
  process.title = text === '' ? base : `${base}: ${text}`;
}
