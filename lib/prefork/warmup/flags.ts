// Flags of V8's that are set for a while.
import { setFlagsFromString, cachedDataVersionTag as tagOfAll } from 'node:v8';

/** The options that set it, and that set it as V8 does by itself; of a number `--name=N` both. */
export type Flag = readonly [on: string, off: string];

/** V8 takes `_` for `-`, and `--no` with and without one. */
const nameOf = (option: string) =>
  option
    .replaceAll('_', '-')
    .replace(/^--(no-?)?/, '')
    .replace(/=.*/s, '');

/** Whether the command line or NODE_OPTIONS say something of it. */
function isGiven([on]: Flag): boolean {
  const words = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)];
  return words.some((word) => word.startsWith('--') && nameOf(word) === nameOf(on));
}

/** No number that is set here is larger. */
const MOST = 100;

/** All options that may have set it. */
function optionsOf([on, off]: Flag): string[] {
  const [name, number] = on.split('=');
  if (number === undefined) return [off, on];
  return [off, ...Array.from({ length: MOST + 1 }, (_, value) => `${name}=${value}`)];
}

/**
 * What a flag is set to: by the option that would do it, of those that may. V8 has no call that tells, but one for a
 * tag of all flags, by which it knows whether a code cache fits (cachedDataVersionTag(), since Node 8): who sets a flag
 * to what it is does not change that.
 *
 * @returns undefined if none of them does.
 */
function settingOf(flag: Flag): string | undefined {
  const before = tagOfAll();
  const found = optionsOf(flag).find((option) => {
    setFlagsFromString(option);
    return tagOfAll() === before;
  });
  if (found === undefined) setFlagsFromString(flag[1]);
  return found;
}

/** Sets it, and gives what brings back what it was before, unless the program has changed it meanwhile. */
function set(flag: Flag): () => void {
  const [on, off] = flag;
  const before = settingOf(flag) ?? off;
  setFlagsFromString(on);
  return () => {
    const now = settingOf(flag);
    setFlagsFromString(now === on ? before : (now ?? off));
  };
}

/**
 * Sets flags of V8's while `act` runs, until its promise has settled if it has one. Then each has the value again that
 * the program had given it: code that it compiles later would not match its code cache, which has a hash of the flags.
 * What the program was started with stays its own.
 */
export function withFlags<T>(flags: readonly Flag[], act: () => T): T {
  const giveBacks = flags.filter((flag) => !isGiven(flag)).map(set);
  const giveBack = () => {
    for (const one of giveBacks) one();
  };
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

/** Sets a flag for good, unless the program has set it to something else than V8 does by itself. */
export function setForGood(flag: Flag): void {
  if (!isGiven(flag) && settingOf(flag) === flag[1]) setFlagsFromString(flag[0]);
}
