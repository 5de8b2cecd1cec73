// Shows the status of a daemon in ps(1) if there is no service manager.
import { basename } from 'node:path';

const atStart = process.title;
let base: string | undefined;

/** As sendmail and PostgreSQL do. For an empty status only the name is left. */
export function showStatus(text: string): void {
  // A title that the script has set stays. Node's default, the command line, leaves no room.
  base ??= process.title === atStart ? basename(process.argv[1] ?? process.argv0) : process.title;
  process.title = text === '' ? base : `${base}: ${text}`;
}
