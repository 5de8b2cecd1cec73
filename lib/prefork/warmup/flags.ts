// Flags of V8's that are set for a while.
import { setFlagsFromString } from 'node:v8';

type Flag = readonly [on: string, off: string];

/** What the command line or NODE_OPTIONS say of V8's flags, with `-` for `_` as V8 takes both. */
export function given(): string {
  const words = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)];
  return words.join(' ').replaceAll('_', '-');
}

/**
 * Sets flags of V8's while `act` runs, until its promise has settled if it has one. None is left set: code that a
 * program compiles later would not match its code cache, which has a hash of the flags. What the program was started
 * with stays its own.
 */
export function withFlags<T>(flags: readonly Flag[], act: () => T): T {
  const said = given();
  const ours = flags.filter(
    ([on]) => !said.includes(on.replace(/^--(no-)?/, '').split('=')[0] as string),
  );
  const giveBack = () => {
    for (const [, off] of ours) setFlagsFromString(off);
  };
  for (const [on] of ours) setFlagsFromString(on);
  let pending = false;
  try {
    const done = act();
    if (!(done instanceof Promise)) return done;
    pending = true;
    return done.finally(giveBack) as T;
  } finally {
    if (!pending) giveBack();
  }
}
