// Which test files another Node or another C library has a part in.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const KINDS = {
  /** The kinds of forks of a program; the runtime is involved in each. */
  fork: /^(fork.*|compute.*|copies|signal-early|thrown|prefork(-(callbacks|connections|hang|injected|two|upgrade|warmup))?)$/,
  daemon: /^daemon/,
  /** libc changes the ids of all threads by a signal, and reads passwd and group. */
  users: /^(credentials|chroot|rlimit|listen.*)$/,
  prefork: /^prefork/,
  package: /^package$/,
  others: /^/,
};

export type Kind = keyof typeof KINDS;

export const kinds = Object.keys(KINDS) as Kind[];

const tests = fileURLToPath(new URL('..', import.meta.url));

/** The quick tests' files, each of which is of one kind: the first that has it. */
export function filesOf(kind: Kind): string[] {
  const files = ['.', 'peers'].flatMap((folder) =>
    readdirSync(join(tests, folder))
      .filter((name) => name.endsWith('.test.js'))
      .map((name) => join(folder, name)),
  );
  const kindOf = (file: string) => kinds.find((one) => KINDS[one].test(file.slice(0, -8)));
  return files.filter((file) => kindOf(file) === kind).map((file) => join(tests, file));
}
