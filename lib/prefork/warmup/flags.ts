// Sets V8 flags temporarily.
import { setFlagsFromString, cachedDataVersionTag as tagOfAll } from 'node:v8';

/**
 * The option that sets the flag, and the one that sets V8's default; for a number both are
 * `--name=N`.
 */
export type Flag = readonly [on: string, off: string];

/** V8 accepts `_` instead of `-`, and `--no` with and without a hyphen. */
const nameOf = (option: string) =>
  option
    .replaceAll('_', '-')
    .replace(/^--(no-?)?/, '')
    .replace(/=.*/s, '');

/** Whether the command line or NODE_OPTIONS set the flag. */
function isGiven([on]: Flag): boolean {
  const words = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)];
  return words.some((word) => word.startsWith('--') && nameOf(word) === nameOf(on));
}

/** The largest number that is set here. */
const MOST = 100;

/** All options that may have set the flag. */
function optionsOf([on, off]: Flag): string[] {
  const [name, number] = on.split('=');
  if (number === undefined) return [off, on];
  return [off, ...Array.from({ length: MOST + 1 }, (_, value) => `${name}=${value}`)];
}

/**
 * The present value of a flag, as the option that sets it. V8 has no call to read a flag, but one
 * that returns a tag of all flags, for its code cache (cachedDataVersionTag(), since Node 8).
 * Setting a flag to its present value does not change the tag.
 *
 * @returns undefined if no option fits.
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

/**
 * Sets a flag. Returns a function that restores the former value, unless the program has changed
 * the flag since.
 */
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
 * Sets V8 flags while `act` runs, or until its promise has settled. Then each flag gets its former
 * value back: otherwise later compiled code would not match the code cache, which contains a hash
 * of the flags. Flags from the command line are not changed.
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

/** Sets a flag permanently, unless the program has changed it from V8's default. */
export function setForGood(flag: Flag): void {
  if (!isGiven(flag) && settingOf(flag) === flag[1]) setFlagsFromString(flag[0]);
}
